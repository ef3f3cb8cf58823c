-- Temporary table work_stays: the statuses that the touched issues were in, one after the other.
-- Grain: one row per issue and stay; 0 is the stay in the status that the issue was created in.
-- Index: (id)
with moves as (
    select t.id, c.created_at as entered_at,
           row_number() over (partition by t.id order by c.created_at, c.history_id, c.item_index) as n,
           left(coalesce(f.name, c.from_text, ''), 300) as from_status, coalesce(f.category, 'undefined') as from_category,
           left(coalesce(i.name, c.to_text, ''), 300) as status, coalesce(i.category, 'undefined') as status_category
    from touched_work_items t
    join core.issue_changes c on (c.integration_id, c.issue_id) = (t.integration_id, t.issue_id)
    left join core.issue_statuses f on (f.integration_id, f.id) = (c.integration_id, c.from_id)
    left join core.issue_statuses i on (i.integration_id, i.id) = (c.integration_id, c.to_id)
    where c.field = 'status'
), stays as (
    select t.id, 0 as n, coalesce(m.from_status, left(j.status, 300)) as status,
           coalesce(m.from_category, j.status_category) as status_category, null as from_category,
           j.created_at as entered_at
    from touched_work_items t
    join core.issues j on (j.integration_id, j.id) = (t.integration_id, t.issue_id)
    left join moves m on m.id = t.id and m.n = 1
    union all
    select id, n, status, status_category, from_category, entered_at from moves
)
select id, n, status, status_category, entered_at,
       lead(entered_at) over (partition by id order by n) as left_at,
       from_category <> 'done' and status_category = 'done' as is_finish,
       from_category = 'done' and status_category <> 'done' as is_reopening
from stays
