-- Temporary table recovered_failures: how long failed releases took to recover, by scope and the day of the recovery.
-- Grain: one row per scope and failed release that counts and has recovered.
-- Index: (scope_no, day)
with facts as materialized (
    select d.service_id, d.recovered_on as day, d.recovery_hours, d.recovery_calendar_hours as calendar_hours, d.is_guess
    from core.deployments d
    where d.counts and d.failed_change
      and d.recovered_on >= (select from_day from counted_days where family = 'recovery')
      and d.recovered_on < (select until_day from counted_days where family = 'recovery')
)
select 1 as scope_no, f.* from facts f
union all
select m.scope_no, f.* from facts f join counted_services m on m.family = 'recovery' and m.service_id = f.service_id
order by scope_no, day
