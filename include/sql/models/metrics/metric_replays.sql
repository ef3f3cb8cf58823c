-- Table core.metric_replays: what a median would be now, had one part stayed as it was.
-- Grain: one row per metric of hours, comparison, kind (service or stage) and part; part residual is the rest.
-- Per: metric_type, comparison of select metric_type, comparison from compared_metrics
-- A service stays as it was with its cases of before. A stage stays as it was when each change takes as long in it as the
-- change of the same rank did before; equal ones share their middle rank. The five services that moved the mean most are replayed, the others together.
select metric_type, comparison from compared_metrics
;
with comparisons as (
    select c.* from core.metric_comparisons c join touched t using (metric_type, comparison) where c.mean_now is not null
), moved as (
    select metric_type, comparison, service_id,
           case when row_number() over (
               partition by metric_type, comparison order by abs(sum(contribution::numeric)) desc, service_id) <= 5
               then service_id else 'other services' end as part
    from core.metric_drivers d
    join comparisons c using (metric_type, comparison)
    group by 1, 2, 3
), services as (
    select p.metric_type, p.comparison, p.part, percentile_cont(0.5) within group (order by h.hours) as replayed
    from (select distinct metric_type, comparison, part from moved) p
    join compared_hours h using (metric_type, comparison)
    join moved m using (metric_type, comparison, service_id)
    where h.is_now = (m.part <> p.part)
    group by 1, 2, 3
), stages as materialized (
    select h.metric_type, h.comparison, h.is_now, h.hours, s.stage, s.spent,
           rank() over (side order by r.shown) - 1 + (count(*) over (side_value) - 1) / 2.0 as place,
           count(s.spent) over (side) as n
    from compared_hours h
    join comparisons c using (metric_type, comparison)
    cross join lateral (
        values ('coding', h.coding), ('pickup', h.pickup), ('review', h.review), ('merge_to_deploy', h.merge_to_deploy),
               ('other', h.other)
    ) s (stage, spent)
    cross join lateral (select round(s.spent::numeric, 6) as shown) r
    where h.metric_type = 'lead_time_for_changes'
    window side as (partition by h.comparison, h.is_now, s.stage),
           side_value as (partition by h.comparison, h.is_now, s.stage, r.shown)
), earlier as (
    select comparison, stage, array_agg(spent order by spent) as spent, count(*) as n
    from stages
    where not is_now and spent is not null
    group by 1, 2
), replayed as (
    select metric_type, comparison, 'service' as kind, part, replayed from services
    union all
    select n.metric_type, n.comparison, 'stage', n.stage,
           percentile_cont(0.5) within group (order by case
               when n.spent is null or e.n is null then n.hours
               else n.hours - n.spent + e.spent[floor(r.place)::integer + 1]
                    + (r.place - floor(r.place)) * (e.spent[ceil(r.place)::integer + 1] - e.spent[floor(r.place)::integer + 1])
           end)
    from stages n
    left join earlier e using (comparison, stage)
    cross join lateral (select coalesce(n.place::double precision / nullif(n.n - 1, 0), 0.5) * (e.n - 1) as place) r
    where n.is_now
    group by 1, 2, 4
)
select r.metric_type, r.comparison, r.kind, r.part, r.replayed, c.value_now - r.replayed as contribution
from replayed r
join comparisons c using (metric_type, comparison)
union all
select c.metric_type, c.comparison, r.kind, 'residual', null,
       c.value_now - c.value_before - sum((c.value_now - r.replayed)::numeric)::double precision
from replayed r
join comparisons c using (metric_type, comparison)
group by c.metric_type, c.comparison, r.kind, c.value_now, c.value_before
