-- Table core.work_status_times: how long an issue was in a status.
-- Grain: one row per issue and status, with the hours of the visits that ended. What follows done_at counts 0 hours.
-- Per: work_item_id
select id as work_item_id from touched_work_items
;
with timed as (
    select s.*, case
               when s.entered_at >= w.done_at then 0
               when s.left_at is not null or w.done_at is not null
                   then core.elapsed_hours(s.entered_at, least(s.left_at, w.done_at), r.working)
           end as hours
    from work_stays s
    join core.work_items w on w.id = s.id
    cross join settings r
)
select id as work_item_id, status, (array_agg(status_category order by n desc))[1] as status_category,
       sum(hours order by n) as hours, count(*) as visits, max(entered_at) filter (where left_at is null) as entered_at
from timed
group by id, status
