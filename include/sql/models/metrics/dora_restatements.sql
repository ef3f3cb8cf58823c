-- Table core.dora_restatements: published numbers of ended periods that this run has changed, and why.
-- Grain: one row per number and restatement. Only appended to.
with replaced as materialized (
    -- None in a client's first run, which writes more rows than any other.
    select o.*, c.after
    from dora_metrics_changed c
    cross join unnest(array[c.before]) o
    where o.metric_type is not null
), changed as (
    select b.metric_type, b.family, b.grain, b.scope_type, b.scope_id, b.calculation_date, b.period_start, b.period_end,
           b.metric_value as old_value, b.sample_size as old_sample_size, b.tier as old_tier,
           (b.after).metric_value as new_value, (b.after).sample_size as new_sample_size, m.tier as new_tier, false as is_tier_only
    from replaced b
    left join core.dora_metrics m
      on (m.metric_type, m.grain, m.scope_type, m.scope_id, m.calculation_date)
       = (b.metric_type, b.grain, b.scope_type, b.scope_id, b.calculation_date)
    where (b.metric_value, b.sample_size) is distinct from ((b.after).metric_value, (b.after).sample_size)
      -- A number that has aged is taken back; it was not wrong.
      and ((b.after).metric_type is not null
           or exists (select from cells x
                      where (x.family, x.grain, x.scope_type, x.scope_id, x.period_start)
                          = (b.family, b.grain, b.scope_type, b.scope_id, b.period_start)))
    union all
    select b.metric_type, b.family, b.grain, b.scope_type, b.scope_id, b.calculation_date, b.period_start, b.period_end,
           b.metric_value, b.sample_size, b.tier, (t.after).metric_value, (t.after).sample_size, (t.after).tier, true
    from tiers_changed t
    cross join unnest(array[t.before]) b
    left join replaced o
      on (o.metric_type, o.grain, o.scope_type, o.scope_id, o.calculation_date)
       = (b.metric_type, b.grain, b.scope_type, b.scope_id, b.calculation_date)
    where b.tier is distinct from (t.after).tier
      -- Only the windows that end today have the tier of the median service: those of yesterday lose it.
      and ((t.after).tier is not null or b.grain not like 'rolling%')
      -- Published by an earlier run, with this value.
      and (b.published_at < now()
           or o.metric_type is not null
          and (o.metric_value, o.sample_size) is not distinct from (b.metric_value, b.sample_size))
), restated as (
    select row_number() over () as number_id, c.*
    from changed c
    join settings s on c.period_end <= s.computed_through
), facts as (
    select r.number_id, m.what, count(distinct m.fact_id) as n, (array_agg(distinct m.fact_id order by m.fact_id))[1:5] as facts
    from restated r
    join moved_facts m on m.family = r.family and m.day >= r.period_start and m.day < r.period_end
    where (select reason = 'data' from settings)
      and (r.scope_type = 'client'
           or exists (select from scope_services x
                      where (x.scope_type, x.scope_id, x.service_id) = (r.scope_type, r.scope_id, m.service_id)))
    group by r.number_id, m.what
), causes as (
    select number_id, string_agg(n || ' ' || what, ', ' order by what) as cause,
           jsonb_agg(jsonb_build_object('what', what, 'facts', facts) order by what) as evidence
    from facts
    group by number_id
)
select
    r.metric_type, r.grain, r.scope_type, r.scope_id, r.calculation_date, r.old_value, r.new_value, r.old_sample_size,
    r.new_sample_size, r.old_tier, r.new_tier,
    case s.reason when 'definition' then 'definition' else 'data' end as reason,
    case when s.reason = 'definition' then 'definition ' || s.previous_version || ' became ' || s.definition_version
         when c.cause is not null then
             case r.family when 'deployments' then 'deployments' when 'delivery' then 'deployed changes'
                           when 'recovery' then 'incidents' when 'work' then 'work items' else 'merged changes' end || ': ' || c.cause
         when r.is_tier_only then 'the tiers of its services have changed'
         else 'the scope''s first day or services have changed' end as cause,
    coalesce(c.evidence, '[]') as evidence
from restated r
cross join settings s
left join causes c on c.number_id = r.number_id
