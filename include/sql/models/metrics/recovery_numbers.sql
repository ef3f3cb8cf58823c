-- Temporary table recovery_numbers: failed_deployment_recovery_time and time_to_restore.
-- Grain: one row per metric and cell.
with values_of as (
    select c.cell_id, c.has_reasons, 'failed_deployment_recovery_time' as metric_type, v.*
    from cells c
    cross join lateral (
        select count(f.recovery_hours) as n,
               percentile_cont(array[0.5, 0.75, 0.9]) within group (order by f.recovery_hours) as p,
               percentile_cont(0.5) within group (order by f.calendar_hours) as calendar_value,
               count(f.recovery_hours) filter (where f.is_guess) as guessed
        from recovered_failures f
        where f.scope_no = c.scope_no and f.day >= c.period_start and f.day < c.period_end
    ) v
    where c.family = 'recovery'
    union all
    select c.cell_id, c.has_reasons, 'time_to_restore', v.*
    from cells c
    cross join lateral (
        select count(r.time_to_restore_hours),
               percentile_cont(array[0.5, 0.75, 0.9]) within group (order by r.time_to_restore_hours),
               percentile_cont(0.5) within group (order by r.calendar_hours), 0::bigint
        from resolved_incidents r
        where r.scope_no = c.scope_no and r.day >= c.period_start and r.day < c.period_end
    ) v
    where c.family = 'recovery'
)
select v.metric_type, v.cell_id, v.n as sample_size, null::bigint as numerator, null::bigint as denominator,
       v.p[1] as metric_value, v.p as percentiles, case when s.working then v.calendar_value end as calendar_value, v.guessed
from values_of v
cross join settings s
where v.has_reasons or v.n > 0
