-- Temporary table deployment_days: production deployments by scope and day.
-- Grain: one row per scope and day with deployments.
-- Index: (scope_no, day)
with facts as materialized (
    -- released: those that count; judged: these and rollbacks, of which some are rework; tried: failed ones too
    select d.service_id, d.finished_on as day, count(*) filter (where d.counts)::integer as released,
           count(*) filter (where d.counts and d.failed_change)::integer as failed,
           count(*) filter (where d.counts and d.failed_change and d.is_guess)::integer as guessed,
           count(*) filter (where d.counts or d.is_rollback)::integer as judged,
           count(*) filter (where (d.counts or d.is_rollback) and d.is_rework)::integer as reworked,
           count(*) filter (where d.result = 'success')::integer as succeeded, count(*)::integer as tried,
           count(*) filter (where d.kind = 'redeployment')::integer as redeployed,
           count(*) filter (where d.kind = 'rollback')::integer as rolled_back
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
select scope_no, day, sum(released)::integer as released, sum(failed)::integer as failed, sum(guessed)::integer as guessed,
       sum(judged)::integer as judged, sum(reworked)::integer as reworked, sum(succeeded)::integer as succeeded,
       sum(tried)::integer as tried, sum(redeployed)::integer as redeployed, sum(rolled_back)::integer as rolled_back
from placed
group by 1, 2
order by 1, 2
