-- Temporary table finished_items: how long finished work items took, by scope and the day that they were done on.
-- Grain: one row per scope and finished item.
-- Index: (scope_no, day)
with facts as materialized (
    select w.project_key, w.done_on as day, w.cycle_time_hours, w.lead_time_hours, w.is_bug, w.reopened_count > 0 as was_reopened
    from core.work_items w
    where w.done_on >= (select from_day from counted_days where family = 'work')
      and w.done_on < (select until_day from counted_days where family = 'work')
)
select 1 as scope_no, f.* from facts f
union all
select m.scope_no, f.* from facts f join counted_services m on m.family = 'work' and m.service_id = f.project_key
order by scope_no, day
