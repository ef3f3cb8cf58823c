-- Temporary table touched_work_items: the issues whose work items and sprints are computed again.
-- Grain: one row per issue of a tracker; all of them in a full run.
-- Those that were written, what is below them (an epic's items, and their sub-tasks) and right above, and the members of
-- sprints that changed.
-- Index: (id)
with written as (
    select t.integration_id, t.id, i.key, i.parent_key
    from touched_issues t
    left join core.issues i on (i.integration_id, i.id) = (t.integration_id, t.id)
    where t.is_item
), below as (
    select i.integration_id, i.id, i.key
    from written w
    cross join lateral (
        select * from core.issues i where (i.integration_id, i.parent_key) = (w.integration_id, w.key) offset 0
    ) i
)
select t.integration_id, t.issue_id, x.prefix || ':' || t.integration_id || ':' || t.issue_id as id
from (
    select integration_id, id as issue_id from written
    union
    select integration_id, id from below
    union
    select i.integration_id, i.id
    from below b
    cross join lateral (
        select * from core.issues i where (i.integration_id, i.parent_key) = (b.integration_id, b.key) offset 0
    ) i
    union
    select i.integration_id, i.id
    from written w
    cross join lateral (
        select * from core.issues i where (i.integration_id, i.key) = (w.integration_id, w.parent_key) offset 0
    ) i
    union
    select integration_id, id from core.issues where project_id is not null and (select is_full from work_run)
    union
    select i.integration_id, i.issue_id
    from touched_sprints s
    join core.work_sprint_items i on (i.integration_id, i.sprint_id) = (s.integration_id, s.id)
) t
join sources x on x.integration_id = t.integration_id
