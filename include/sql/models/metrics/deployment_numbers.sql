-- Temporary table deployment_numbers: deployment_frequency, change_failure_rate, deployment_rework_rate and
-- deployment_days_per_week.
-- Grain: one row per metric and cell.
with counts as (
    select c.*, v.*
    from cells c
    cross join lateral (
        select coalesce(sum(d.succeeded), 0) as succeeded, coalesce(sum(d.finished), 0) as finished,
               coalesce(sum(d.failed), 0) as failed, coalesce(sum(d.reworked), 0) as reworked
        from deployment_days d
        where d.scope_no = c.scope_no and d.day >= c.period_start and d.day < c.period_end
    ) v
    where c.family = 'deployments'
)
-- Days count from the scope's first successful deployment on; working days only, where the client counts those.
select
    'deployment_frequency' as metric_type, c.cell_id, c.succeeded as sample_size, c.succeeded as numerator,
    null::bigint as denominator, c.succeeded / nullif(days.n, 0)::double precision as metric_value,
    null::double precision[] as percentiles
from counts c
cross join settings s
cross join lateral (
    select case when not s.working then c.until_day - greatest(c.period_start, c.success_day) else (
        select count(*) from core.client_calendar k
        where k.is_working and k.day >= greatest(c.period_start, c.success_day) and k.day < c.until_day)::integer end as n
) days
where c.scope_type = 'client' or c.succeeded > 0
   or (c.grain in ('week', 'month', 'rolling_30d') and c.period_end > c.success_day)
union all
select r.metric_type, c.cell_id, c.finished, r.part, c.finished, r.part / nullif(c.finished, 0)::double precision, null
from counts c
cross join lateral (
    values ('change_failure_rate', c.failed), ('deployment_rework_rate', c.reworked)
) r (metric_type, part)
where c.has_reasons or c.finished > 0
union all
-- the median over the weeks that lie in the period
select 'deployment_days_per_week', c.cell_id, v.n, null, null, v.p[1], v.p
from cells c
cross join settings s
cross join lateral (
    select count(*) as n, sum(k.days) as total, percentile_cont(array[0.5, 0.75, 0.9]) within group (order by k.days) as p
    from deployment_weeks k
    where k.scope_no = c.scope_no and k.week_start >= c.period_start and k.week_start >= c.success_day
      and k.week_start <= least(c.until_day, s.today) - 7
) v
where c.family = 'deployments' and c.grain in ('month', 'rolling_30d', 'rolling_90d') and (c.has_reasons or v.total > 0)
