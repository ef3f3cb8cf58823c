-- Temporary table deployment_numbers: deployment_frequency, change_failure_rate, deployment_rework_rate,
-- deployment_success_rate, redeployments, rollbacks and deployment_days_per_week.
-- Grain: one row per metric and cell.
with counts as (
    select c.*, v.*
    from cells c
    cross join lateral (
        select coalesce(sum(d.released), 0) as released, coalesce(sum(d.failed), 0) as failed,
               coalesce(sum(d.guessed), 0) as guessed, coalesce(sum(d.judged), 0) as judged,
               coalesce(sum(d.reworked), 0) as reworked, coalesce(sum(d.succeeded), 0) as succeeded,
               coalesce(sum(d.tried), 0) as tried, coalesce(sum(d.redeployed), 0) as redeployed,
               coalesce(sum(d.rolled_back), 0) as rolled_back
        from deployment_days d
        where d.scope_no = c.scope_no and d.day >= c.period_start and d.day < c.period_end
    ) v
    where c.family = 'deployments'
)
-- Days count from the scope's first release on; working days only, where the client counts those.
select
    'deployment_frequency' as metric_type, c.cell_id, c.released as sample_size, c.released as numerator,
    null::bigint as denominator, c.released / nullif(days.n, 0)::double precision as metric_value,
    null::double precision[] as percentiles,
    case when s.working
        then c.released / nullif(c.until_day - greatest(c.period_start, c.success_day), 0)::double precision end
        as calendar_value,
    0 as guessed
from counts c
cross join settings s
cross join lateral (
    select case when not s.working then c.until_day - greatest(c.period_start, c.success_day) else (
        select count(*) from core.client_calendar k
        where k.is_working and k.day >= greatest(c.period_start, c.success_day) and k.day < c.until_day)::integer end as n
) days
where c.scope_type = 'client' or c.released > 0
   or (c.grain in ('week', 'month', 'rolling_30d') and c.period_end > c.success_day)
union all
select r.metric_type, c.cell_id, r.whole, r.part, r.whole, r.part / nullif(r.whole, 0)::double precision, null, null, r.guessed
from counts c
cross join lateral (
    values ('change_failure_rate', c.failed, c.released, c.guessed), ('deployment_rework_rate', c.reworked, c.judged, 0),
           ('deployment_success_rate', c.succeeded, c.tried, 0)
) r (metric_type, part, whole, guessed)
where c.has_reasons or r.whole > 0
union all
select r.metric_type, c.cell_id, c.tried, r.n, null, r.n, null, null, 0
from counts c
cross join lateral (values ('redeployments', c.redeployed), ('rollbacks', c.rolled_back)) r (metric_type, n)
where c.has_stages and (c.has_reasons or r.n > 0)
union all
-- the median over the weeks that lie in the period
select 'deployment_days_per_week', c.cell_id, v.n, null, null, v.p[1], v.p, null, 0
from cells c
cross join settings s
cross join lateral (
    select count(*) as n, sum(k.days) as total, percentile_cont(array[0.5, 0.75, 0.9]) within group (order by k.days) as p
    from deployment_weeks k
    where k.scope_no = c.scope_no and k.week_start >= c.period_start and k.week_start >= c.success_day
      and k.week_start <= least(c.until_day, s.today) - 7
) v
where c.family = 'deployments' and c.grain in ('month', 'rolling_30d', 'rolling_90d') and (c.has_reasons or v.total > 0)
