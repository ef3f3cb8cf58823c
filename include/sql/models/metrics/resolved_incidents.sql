-- Temporary table resolved_incidents: how long incidents took, by scope.
-- Grain: one row per scope and resolved incident.
-- Index: (scope_no, day)
with facts as materialized (
    select i.service_id, i.resolved_on as day, i.time_to_restore_hours, i.calendar_hours
    from core.incidents i
    where i.resolved_on >= (select from_day from counted_days where family = 'recovery')
      and i.resolved_on < (select until_day from counted_days where family = 'recovery')
)
select 1 as scope_no, f.* from facts f
union all
select m.scope_no, f.* from facts f join counted_services m on m.family = 'recovery' and m.service_id = f.service_id
order by scope_no, day
