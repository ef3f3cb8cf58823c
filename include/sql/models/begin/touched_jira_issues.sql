-- Temporary table touched_jira_issues: the issues that an increment reads again.
-- Grain: one row per issue; all of them in a full run.
-- Those that were written, and those that are incidents when a service comes, goes or is renamed.
-- Index: (integration_id, id)
select integration_id, key::bigint as id from queue where fact = 'jira_issue'
union
select integration_id, split_part(id, ':', 3)::bigint from core.incidents
where source = 'jira' and exists (select from touched_services where is_renamed)
union
select integration_id, id from core.jira_issues where (select is_full from settings)
