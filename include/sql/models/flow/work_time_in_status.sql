-- Table core.work_time_in_status: how long the items done in the 90 days that end today were in each status.
-- Grain: one row per scope (the client, and each project) and status that is not a done one.
-- Per: scope_type
select s.scope_type
from work_run r cross join (values ('client'), ('project')) s (scope_type)
where r.is_full or r.is_new_day or exists (select from work_items_changed)
   or exists (select from work_status_times_changed)
;
with spent as (
    select s.scope_type, s.scope_id, t.status, max(t.status_category) as status_category, count(*) as sample_size,
           percentile_cont(array[0.5, 0.75, 0.9]) within group (order by t.hours) as p,
           sum(t.hours order by t.hours) as total_hours
    from settings r
    join core.work_items w on w.done_on > r.today - 90 and w.done_on <= r.today
    join core.work_status_times t on t.work_item_id = w.id
    cross join lateral (values ('client', ''), ('project', w.project_key)) s (scope_type, scope_id)
    where t.hours is not null and t.status_category <> 'done'
    group by s.scope_type, s.scope_id, t.status
)
select s.scope_type, s.scope_id, s.status, s.status_category, x.p[1] as median_hours, x.p[2] as p75_hours,
       x.p[3] as p90_hours, s.total_hours, s.sample_size,
       case when x.p is null then 'below_minimum_sample' end as null_reason
from spent s
cross join lateral (select case when s.sample_size >= (select minimum_sample from settings) then s.p end as p) x
