-- Temporary table touched_work_items: the issues whose work items and sprints are computed again.
-- Grain: one row per issue of a tracker; all of them in a full run.
-- Those that were written, and the members of sprints that changed.
-- Index: (id)
select t.integration_id, t.issue_id, x.prefix || ':' || t.integration_id || ':' || t.issue_id as id
from (
    select integration_id, id as issue_id from touched_issues where is_item
    union
    select integration_id, id from core.issues where project_id is not null and (select is_full from work_run)
    union
    select i.integration_id, i.issue_id
    from touched_sprints s
    join core.work_sprint_items i on (i.integration_id, i.sprint_id) = (s.integration_id, s.id)
) t
join sources x on x.integration_id = t.integration_id
