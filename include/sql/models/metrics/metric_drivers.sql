-- Table core.metric_drivers: the parts of a comparison: by service and, of the lead time, by stage. They add up.
-- Grain: one row per metric, comparison, service and effect.
-- Per: metric_type, comparison of select metric_type, comparison from compared_metrics
-- A rate or mean of the whole is the sum of share × value over its services. Between two sides, share × value changes by
-- (share now − share before) × mean value, the mix, and mean share × (value now − value before), the rate. The mix is
-- measured from the value of the whole, so that a service that grows counts by how far it differs from the rest.
-- A service that one side lacks has the same value there: it is all mix.
select metric_type, comparison from compared_metrics
;
with pieces as (
    -- of services: piece rate of a share or duration; of the lead time, its stages
    select metric_type, comparison, is_now, service_id, 'rate' as piece, whole::double precision as cases,
           n / nullif(whole, 0)::double precision as value
    from compared_counts
    where metric_type <> 'deployment_frequency'
    union all
    select h.metric_type, h.comparison, h.is_now, h.service_id, p.piece, count(*), avg(p.hours::numeric)::double precision
    from compared_hours h
    cross join lateral (
        select 'rate', h.hours where h.metric_type <> 'lead_time_for_changes'
        union all
        select s.stage, coalesce(s.hours, 0)
        from (values ('coding', h.coding), ('pickup', h.pickup), ('review', h.review), ('merge_to_deploy', h.merge_to_deploy),
                     ('other', h.other)) s (stage, hours)
        where h.metric_type = 'lead_time_for_changes'
    ) p (piece, hours)
    group by 1, 2, 3, 4, 5
), sides as (
    select metric_type, comparison, service_id, piece,
           coalesce(max(cases) filter (where not is_now), 0) as cases_before, coalesce(max(cases) filter (where is_now), 0) as cases_now,
           max(value) filter (where not is_now) as value_before, max(value) filter (where is_now) as value_now
    from pieces
    group by 1, 2, 3, 4
), weighed as (
    select p.*, c.value_before as whole_before, c.value_now as whole_now, c.mean_before, c.mean_now,
           p.cases_before / sum(p.cases_before) over side as share_before, p.cases_now / sum(p.cases_now) over side as share_now,
           coalesce(p.value_before, p.value_now) as known_before, coalesce(p.value_now, p.value_before) as known_now
    from sides p
    join core.metric_comparisons c using (metric_type, comparison)
    join touched t using (metric_type, comparison)
    window side as (partition by p.metric_type, p.comparison, p.piece)
), parts as (
    select metric_type, comparison, service_id, piece as effect,
           (share_before + share_now) / 2 * coalesce(known_now - known_before, 0) as contribution,
           cases_before, cases_now, value_before, value_now
    from weighed
    union all
    select metric_type, comparison, service_id, 'mix',
           min(share_now - share_before)
               * (coalesce(sum((known_before + known_now)::numeric), 0)::double precision
                  - min(coalesce(mean_before, whole_before) + coalesce(mean_now, whole_now))) / 2,
           min(cases_before), min(cases_now), sum(value_before::numeric)::double precision, sum(value_now::numeric)::double precision
    from weighed
    group by 1, 2, 3
    union all
    select c.metric_type, c.comparison, f.service_id, 'count', coalesce(v.now, 0) - coalesce(v.before, 0), f.n_before, f.n_now,
           coalesce(v.before, 0), coalesce(v.now, 0)
    from core.metric_comparisons c
    join touched t using (metric_type, comparison)
    cross join lateral (
        select d.service_id, coalesce(sum(d.n) filter (where not d.is_now), 0) as n_before,
               coalesce(sum(d.n) filter (where d.is_now), 0) as n_now
        from compared_counts d
        where (d.metric_type, d.comparison) = (c.metric_type, c.comparison)
        group by 1
    ) f
    cross join lateral (
        select f.n_before / nullif(c.cases_before, 0)::double precision * c.value_before as before,
               f.n_now / nullif(c.cases_now, 0)::double precision * c.value_now as now
    ) v
    where c.metric_type = 'deployment_frequency'
)
select metric_type, comparison, service_id, effect, contribution, cases_before::bigint, cases_now::bigint, value_before, value_now
from parts
where cases_before > 0 or cases_now > 0
