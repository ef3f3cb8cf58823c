-- Temporary table deployment_days: production deployments by scope and day.
-- Grain: one row per scope and day with deployments.
-- Index: (scope_no, day)
with facts as materialized (
    select d.service_id, d.finished_on as day, count(*) filter (where d.result = 'success')::integer as succeeded,
           count(*)::integer as finished, count(*) filter (where d.failed_change)::integer as failed,
           count(*) filter (where d.is_rework)::integer as reworked
    from core.deployments d
    where d.environment_tier = 'production'
      and d.finished_on >= (select from_day from counted_days where family = 'deployments')
      and d.finished_on < (select until_day from counted_days where family = 'deployments')
    group by 1, 2
), placed as (
    select 1 as scope_no, f.* from facts f
    union all
    select m.scope_no, f.*
    from facts f
    join counted_services m on m.family = 'deployments' and m.service_id = f.service_id
)
select scope_no, day, sum(succeeded)::integer as succeeded, sum(finished)::integer as finished,
       sum(failed)::integer as failed, sum(reworked)::integer as reworked
from placed
group by 1, 2
order by 1, 2
