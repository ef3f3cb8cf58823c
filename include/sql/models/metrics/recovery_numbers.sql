-- Temporary table recovery_numbers: time_to_restore and failed_deployment_recovery_time.
-- Grain: one row per metric and cell.
select m.metric_type, c.cell_id, m.n as sample_size, null::bigint as numerator, null::bigint as denominator,
       m.p[1] as metric_value, m.p as percentiles
from cells c
cross join lateral (
    select count(r.time_to_restore_hours) as n, count(r.recovery_hours) as caused,
           percentile_cont(array[0.5, 0.75, 0.9]) within group (order by r.time_to_restore_hours) as restore,
           percentile_cont(array[0.5, 0.75, 0.9]) within group (order by r.recovery_hours) as recovery
    from resolved_incidents r
    where r.scope_no = c.scope_no and r.day >= c.period_start and r.day < c.period_end
) v
cross join lateral (
    values ('time_to_restore', v.n, v.restore), ('failed_deployment_recovery_time', v.caused, v.recovery)
) m (metric_type, n, p)
where c.family = 'recovery' and (c.has_reasons or m.n > 0)
