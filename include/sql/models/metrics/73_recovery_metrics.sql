-- Statements
-- dora_values of the family recovery: time_to_restore and failed_deployment_recovery_time by cell, from core.incidents and
-- core.incident_deployments.
create temporary table recovered on commit drop as
with facts as materialized (
    select i.service_id, i.resolved_on as day, i.time_to_restore_hours, l.recovery_hours
    from core.incidents i
    left join core.incident_deployments l on (l.client_id, l.incident_id) = (i.client_id, i.id)
    where i.client_id = (select core.etl_client_id())
      and i.resolved_on >= (select from_day from counted_days where family = 'recovery')
      and i.resolved_on < (select until_day from counted_days where family = 'recovery')
)
select 1 as scope_no, f.* from facts f
union all
select m.scope_no, f.* from facts f join counted_services m on m.family = 'recovery' and m.service_id = f.service_id
order by scope_no, day;
create index on recovered (scope_no, day);
analyze recovered (scope_no, day);

insert into dora_values
select m.metric_type, c.cell_id, m.n, null::bigint, null::bigint, m.p[1], m.p
from dora_cells c
cross join lateral (
    select count(r.time_to_restore_hours) as n, count(r.recovery_hours) as caused,
           percentile_cont(array[0.5, 0.75, 0.9]) within group (order by r.time_to_restore_hours) as restore,
           percentile_cont(array[0.5, 0.75, 0.9]) within group (order by r.recovery_hours) as recovery
    from recovered r
    where r.scope_no = c.scope_no and r.day >= c.period_start and r.day < c.period_end
) v
cross join lateral (
    values ('time_to_restore', v.n, v.restore), ('failed_deployment_recovery_time', v.caused, v.recovery)
) m (metric_type, n, p)
where c.family = 'recovery' and (c.has_reasons or m.n > 0);
