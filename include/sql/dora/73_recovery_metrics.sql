-- dora_values of the family recovery: time_to_restore and failed_deployment_recovery_time by cell, from core.incidents and
-- core.incident_deployments.
with recovered as (
    select c.cell_id, c.scope_type, v.*
    from dora_cells c
    cross join lateral (
        select count(i.time_to_restore_hours) as n, count(l.recovery_hours) as caused,
               percentile_cont(array[0.5, 0.75, 0.9]) within group (order by i.time_to_restore_hours) as restore,
               percentile_cont(array[0.5, 0.75, 0.9]) within group (order by l.recovery_hours) as recovery
        from core.incidents i
        left join core.incident_deployments l on (l.client_id, l.incident_id) = (i.client_id, i.id)
        where i.client_id = (select core.etl_client_id()) and i.resolved_on >= c.period_start and i.resolved_on < c.period_end
    ) v
    where c.family = 'recovery' and c.scope_type = 'client'
    union all
    select c.cell_id, c.scope_type, v.*
    from dora_cells c
    cross join lateral (
        select count(i.time_to_restore_hours) as n, count(l.recovery_hours) as caused,
               percentile_cont(array[0.5, 0.75, 0.9]) within group (order by i.time_to_restore_hours) as restore,
               percentile_cont(array[0.5, 0.75, 0.9]) within group (order by l.recovery_hours) as recovery
        from scope_services m
        join core.incidents i
          on i.client_id = (select core.etl_client_id()) and i.service_id = m.service_id
         and i.resolved_on >= c.period_start and i.resolved_on < c.period_end
        left join core.incident_deployments l on (l.client_id, l.incident_id) = (i.client_id, i.id)
        where (m.scope_type, m.scope_id) = (c.scope_type, c.scope_id)
    ) v
    where c.family = 'recovery' and c.scope_type <> 'client'
)
insert into dora_values
select m.metric_type, r.cell_id, m.n, null::bigint, null::bigint, m.p[1], m.p
from recovered r
cross join lateral (
    values ('time_to_restore', r.n, r.restore), ('failed_deployment_recovery_time', r.caused, r.recovery)
) m (metric_type, n, p)
where r.scope_type = 'client' or m.n > 0;
