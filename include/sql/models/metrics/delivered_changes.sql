-- Temporary table delivered_changes: the lead times of delivered changes, by scope.
-- Grain: one row per scope and delivered change that counts.
-- Index: (scope_no, day)
with facts as materialized (
    select l.service_id, l.deployed_on as day, l.lead_time_hours, l.calendar_hours, l.coding_hours, l.pickup_hours,
           l.review_hours, l.merge_to_deploy_hours
    from core.deployment_changes l
    where l.exclusion_reason is null
      and l.deployed_at >= (select from_at from counted_days where family = 'delivery')
      and l.deployed_on >= (select from_day from counted_days where family = 'delivery')
      and l.deployed_on < (select until_day from counted_days where family = 'delivery')
)
select 1 as scope_no, f.* from facts f
union all
select m.scope_no, f.* from facts f join counted_services m on m.family = 'delivery' and m.service_id = f.service_id
order by scope_no, day
