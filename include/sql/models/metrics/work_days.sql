-- Temporary table work_days: work items created, and those in progress when a day ended, by scope.
-- Grain: one row per scope and day on which an item was created, started or done.
-- What is in progress depends on all earlier days. It is counted from the items that were not yet done when the first day of
-- the computed numbers began, so that an increment reads no older ones.
-- Index: (scope_no, day)
with begun as (
    select w.project_key, w.started_on, w.done_on
    from core.work_items w
    where w.started_on is not null and w.done_on >= (select from_day from counted_days where family = 'work')
    union all
    select w.project_key, w.started_on, null
    from core.work_items w
    where w.started_on is not null and w.done_on is null and w.status_category <> 'done'
      and exists (select from counted_days where family = 'work')
), facts as materialized (
    select w.project_key, w.created_on as day, 1 as created, w.is_incident::integer as incidents, 0 as step
    from core.work_items w
    where w.created_on >= (select from_day from counted_days where family = 'work')
      and w.created_on < (select until_day from counted_days where family = 'work')
    union all
    select b.project_key, x.day, 0, 0, x.step
    from begun b
    join counted_days k on k.family = 'work'
    -- one more on the day that it was started, one less on the day that it was done
    cross join lateral (
        values (greatest(b.started_on, k.from_day), 1), (case when b.done_on is not null then greatest(b.started_on, b.done_on) end, -1)
    ) x (day, step)
    where x.day < k.until_day
), placed as (
    select 1 as scope_no, f.* from facts f
    union all
    select m.scope_no, f.* from facts f join counted_services m on m.family = 'work' and m.service_id = f.project_key
)
select scope_no, day, sum(created)::integer as created, sum(incidents)::integer as incidents,
       (sum(sum(step)) over (partition by scope_no order by day))::bigint as in_progress
from placed
group by scope_no, day
order by scope_no, day
