-- One row per number of the last 30 days on a tile (client or service): between which values chance alone leaves it, with 95 %
-- confidence, taking the cases for a sample of how this team ships.
--
-- Ratios: Wilson's score interval. Counts: the Poisson interval in Byar's approximation. Medians: the order statistics whose ranks are
-- half a sample plus and minus 1.96 standard deviations of the binomial distribution, from six cases on.
with numbers as (
    select m.client_id, m.metric_type, m.scope_type, m.scope_id, m.unit, m.metric_value, m.numerator, m.denominator, m.sample_size,
           m.period_start, m.period_end
    from core.dora_state t
    join core.dora_metrics m
      on m.client_id = t.client_id and m.grain = 'rolling_30d' and m.calculation_date = t.computed_through
     and m.scope_type in ('client', 'service')
    where m.metric_value is not null
      and m.metric_type in ('deployment_frequency', 'lead_time_for_changes', 'change_failure_rate',
                            'failed_deployment_recovery_time', 'deployment_rework_rate')
      and m.guessed * 2 <= coalesce(m.numerator, m.sample_size)
), windows as (
    select distinct n.client_id, n.period_start, n.period_end, n.period_start::timestamp at time zone c.time_zone as from_at,
           n.period_end::timestamp at time zone c.time_zone as until_at
    from numbers n
    join core.clients c on c.id = n.client_id
), cases as (
    select w.client_id, 'lead_time_for_changes' as metric_type, l.service_id, l.lead_time_hours as hours
    from windows w
    join core.deployment_changes l
      on l.client_id = w.client_id and l.deployed_at >= w.from_at and l.deployed_at < w.until_at and l.exclusion_reason is null
    union all
    select w.client_id, 'failed_deployment_recovery_time', d.service_id, d.recovery_hours
    from windows w
    join core.deployments d
      on d.client_id = w.client_id and d.counts and d.failed_change and d.recovered_on >= w.period_start and d.recovered_on < w.period_end
), sorted as (
    select client_id, metric_type, case grouping(service_id) when 1 then 'client' else 'service' end as scope_type,
           coalesce(service_id, '') as scope_id, count(*) as n, array_agg(hours order by hours) as hours
    from cases
    where hours is not null
    group by grouping sets ((client_id, metric_type), (client_id, metric_type, service_id))
), bounds as (
    select n.*, r.low, r.high
    from numbers n
    cross join lateral (
        select (p + z * z / (2 * d) - z * sqrt(p * (1 - p) / d + z * z / (4 * d * d))) / (1 + z * z / d) as low,
               (p + z * z / (2 * d) + z * sqrt(p * (1 - p) / d + z * z / (4 * d * d))) / (1 + z * z / d) as high
        from (select n.metric_value as p, n.denominator::double precision as d, 1.96::double precision as z) v
    ) r
    where n.unit = 'ratio' and n.denominator > 0
    union all
    select n.*, n.metric_value * (1 - 1 / (9 * k) - 1.96 / (3 * sqrt(k))) ^ 3,
           n.metric_value * (k + 1) / k * (1 - 1 / (9 * (k + 1)) + 1.96 / (3 * sqrt(k + 1))) ^ 3
    from numbers n
    cross join lateral (select n.sample_size::double precision as k) v
    where n.unit = 'per_day' and n.sample_size > 0
    union all
    select n.*, s.hours[greatest(1, floor((s.n + 1) / 2.0 - 0.98 * sqrt(s.n)))::integer],
           s.hours[least(s.n, ceil((s.n + 1) / 2.0 + 0.98 * sqrt(s.n)))::integer]
    from numbers n
    join sorted s
      on (s.client_id, s.metric_type, s.scope_type, s.scope_id) = (n.client_id, n.metric_type, n.scope_type, n.scope_id)
    where n.unit = 'hours' and s.n >= 6
)
select client_id, metric_type, scope_type, scope_id, sample_size, metric_value, greatest(low, 0) as lower_bound,
       high as upper_bound, format(core.say('95 %% confidence: %s'), core.range_text(unit, greatest(low, 0), high)) as confidence_text
from bounds;
