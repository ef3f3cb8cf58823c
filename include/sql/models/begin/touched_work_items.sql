-- Temporary table touched_work_items: the issues whose work items and sprints are computed again.
-- Grain: one row per issue; all of them in a full run.
-- Those that were written, and the members of sprints that changed.
-- Index: (id)
select integration_id, issue_id, 'jira:' || integration_id || ':' || issue_id as id
from (
    select integration_id, id as issue_id from touched_jira_issues
    union
    select integration_id, id from core.jira_issues where (select is_full from work_run)
    union
    select i.integration_id, i.issue_id
    from touched_sprints s
    join core.work_sprint_items i on (i.integration_id, i.sprint_id) = (s.integration_id, s.id)
) t
