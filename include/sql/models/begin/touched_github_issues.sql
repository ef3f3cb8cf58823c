-- Temporary table touched_github_issues: the issues that an increment reads again.
-- Grain: one row per issue; all of them in a full run.
-- Those that were written, and those that are incidents when a service comes, goes or is renamed.
-- Index: (integration_id, id)
select integration_id, key::bigint as id from queue where fact = 'github_issue'
union
select integration_id, split_part(id, ':', 3)::bigint from core.incidents
where source = 'github' and exists (select from touched_services where is_renamed)
union
select integration_id, id from core.github_issues where (select is_full from settings)
