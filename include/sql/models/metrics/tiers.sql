-- Columns of core.dora_metrics: the tier of a number, by the benchmarks of dora.benchmark_year.
-- Grain: one row per number that was computed, and per number of the same metric and period where services are compared.
-- Stamps: published_at
-- Keeps: replaced rows
-- A service has the tier of its number in calendar time, from the minimum sample and 28 days of history on, unless more than
-- half of its failures are guesses. A client, team or repository has the tier of its median service (of two, the worse), for
-- months and the windows that end today: for these, all services have numbers. tier_spread: how many services have each tier.
with computed as (
    select m.metric_type, m.grain, m.scope_type, m.scope_id, m.calculation_date
    from dora_metrics_changed c
    cross join unnest(array[c.before, c.after]) m
    where m.metric_type is not null
    union
    select m.metric_type, m.grain, m.scope_type, m.scope_id, m.calculation_date
    from recomputed_scopes r
    join core.dora_metrics m on (m.scope_type, m.scope_id, m.family) = (r.scope_type, r.scope_id, r.family)
    union
    -- windows that ended on the day of the last run, and so had the tier of the median service
    select m.metric_type, m.grain, m.scope_type, m.scope_id, m.calculation_date
    from settings s
    join core.dora_metrics m
      on (m.scope_type, m.scope_id, m.calculation_date) = ('client', '', s.computed_through) and m.grain like 'rolling%'
    where s.computed_through < s.today and m.tier is not null
    union
    -- the running periods of a service whose 28 days of history have passed since the last run
    select m.metric_type, m.grain, m.scope_type, m.scope_id, m.calculation_date
    from settings s
    join scope_days d on d.scope_type = 'service'
    cross join lateral (select case d.family when 'deployments' then d.success_day else d.kind_day end as first_day) f
    join core.dora_metrics m
      on (m.scope_type, m.scope_id, m.family) = (d.scope_type, d.scope_id, d.family)
     and m.period_end > s.computed_through + 1 and m.grain not like 'rolling%'
    where s.computed_through + 1 - f.first_day < 28 and s.today + 1 - f.first_day >= 28
), compared as (
    select distinct c.metric_type, c.grain, c.calculation_date
    from computed c
    cross join settings s
    where c.grain = 'month' or c.grain like 'rolling%' and c.calculation_date = s.today
), numbers as materialized (
    select m.metric_type, m.grain, m.scope_type, m.scope_id, m.calculation_date, m.family, m.period_end, m.sample_size,
           m.guessed, coalesce(m.calendar_value, m.metric_value) as value, k.benchmark_metric, k.better,
           m.grain = 'month' or m.grain like 'rolling%' and m.calculation_date = s.today as is_compared
    from (
        select * from computed
        union
        select p.metric_type, p.grain, d.scope_type, d.scope_id, p.calculation_date
        from compared p
        join core.metric_catalogue k on k.metric_type = p.metric_type
        join scope_days d on d.family = k.family
    ) c
    join core.metric_catalogue k on k.metric_type = c.metric_type and k.benchmark_metric is not null
    join core.dora_metrics m
      on (m.metric_type, m.grain, m.scope_type, m.scope_id, m.calculation_date)
       = (c.metric_type, c.grain, c.scope_type, c.scope_id, c.calculation_date)
    cross join settings s
), labelled as materialized (
    -- Every number, a service's with its own tier: the numbers are many, and nothing is joined to them again but what is small.
    select n.*, b.label, b.year, case n.better when 'higher' then n.value else - n.value end as goodness
    from numbers n
    cross join settings s
    left join scope_days d on (d.scope_type, d.scope_id, d.family) = (n.scope_type, n.scope_id, n.family)
    left join core.benchmarks b
      on b.metric_type = n.benchmark_metric and b.year = s.benchmark_year and b.kind = 'tier'
     and n.value >= b.lower_bound and (n.value < b.upper_bound or b.upper_bound is null)
     and n.scope_type = 'service' and n.sample_size >= s.minimum_sample and n.guessed * 2 <= n.sample_size
     and least(n.period_end, s.today + 1)
         - case n.family when 'deployments' then d.success_day else d.kind_day end >= 28
), services as (
    select * from labelled where label is not null
), members as (
    select 'client' as scope_type, '' as scope_id, scope_id as service_id from services
    union
    select m.scope_type, m.scope_id, m.service_id from scope_services m where m.scope_type <> 'service'
), ranked as (
    -- The middle one, and the worse of two in the middle.
    select m.scope_type, m.scope_id, v.metric_type, v.grain, v.calculation_date, v.label, v.year,
           row_number() over (
               partition by m.scope_type, m.scope_id, v.metric_type, v.grain, v.calculation_date
               order by v.goodness, v.scope_id) as place,
           count(*) over (partition by m.scope_type, m.scope_id, v.metric_type, v.grain, v.calculation_date) as n
    from members m
    join services v on v.scope_id = m.service_id and v.is_compared
), middle as materialized (
    select * from ranked where place = (n + 1) / 2
), spread as materialized (
    select scope_type, scope_id, metric_type, grain, calculation_date, jsonb_object_agg(label, n) as spread
    from (
        select scope_type, scope_id, metric_type, grain, calculation_date, label, count(*) as n
        from ranked group by 1, 2, 3, 4, 5, 6
    ) t
    group by 1, 2, 3, 4, 5
)
select n.metric_type, n.grain, n.scope_type, n.scope_id, n.calculation_date, coalesce(n.label, r.label) as tier,
       coalesce(n.year, r.year) as tier_year, p.spread as tier_spread
from labelled n
left join middle r
  on (r.metric_type, r.grain, r.scope_type, r.scope_id, r.calculation_date)
   = (n.metric_type, n.grain, n.scope_type, n.scope_id, n.calculation_date)
left join spread p
  on (p.metric_type, p.grain, p.scope_type, p.scope_id, p.calculation_date)
   = (n.metric_type, n.grain, n.scope_type, n.scope_id, n.calculation_date)
