-- Temporary table deployment_weeks: on how many days of a week a scope released to production.
-- Grain: one row per scope and week that has ended, from the first complete week on.
-- Index: (scope_no, week_start)
with wanted as (
    select c.scope_no, min(greatest(c.period_start, c.success_day)) as low, max(least(c.until_day, s.today)) as high
    from cells c, settings s
    where c.family = 'deployments' and c.grain in ('month', 'rolling_30d', 'rolling_90d') and c.success_day is not null
    group by 1
), counted as (
    select scope_no, core.period_start('week', day, s.week_shift) as week_start, count(*) as days
    from deployment_days
    cross join settings s
    where released > 0
    group by 1, 2
)
select w.scope_no, k::date as week_start, coalesce(c.days, 0) as days
from wanted w
cross join settings s
cross join lateral generate_series(core.period_start('week', w.low + 6, s.week_shift), w.high - 7, interval '1 week') k
left join counted c on (c.scope_no, c.week_start) = (w.scope_no, k::date)
