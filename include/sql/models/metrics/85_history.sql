-- Statements
-- What publishing replaced: core.dora_metric_history keeps each number as it was said, core.dora_restatements tells why one
-- of a period that had ended has changed, core.dora_publications that something was published.
insert into core.dora_metric_history
    (client_id, metric_type, grain, scope_type, scope_id, calculation_date, period_start, period_end, is_partial,
     metric_value, unit, p50, p75, p90, numerator, denominator, sample_size, null_reason, tier, tier_year,
     definition_version, valid_from, valid_to)
select client_id, metric_type, grain, scope_type, scope_id, calculation_date, period_start, period_end, is_partial,
       metric_value, unit, p50, p75, p90, numerator, denominator, sample_size, null_reason, tier, tier_year,
       definition_version, published_at, now()
from replaced_metrics;

-- A period had ended when its number was published: it was restated.
create temporary table restated_metrics on commit drop as
select r.*
from replaced_metrics r, dora_settings s
where r.period_end <= s.computed_through
  and (r.metric_value, r.sample_size) is distinct from (r.new_value, r.new_sample_size)
  -- An aged number is taken back; it was not wrong.
  and (r.new_value is not null or r.new_sample_size is not null
       or exists (select from dora_cells c
                  where (c.family, c.grain, c.scope_type, c.scope_id, c.period_start)
                      = (r.family, r.grain, r.scope_type, r.scope_id, r.period_start)));
create index on moved (family, day);
analyze moved;
with causes as (
    select r.id, m.what, count(distinct m.fact_id) as n, (array_agg(distinct m.fact_id order by m.fact_id))[1:5] as facts
    from restated_metrics r
    join moved m on m.family = r.family and m.day >= r.period_start and m.day < r.period_end
    where (select reason = 'data' from dora_settings)
      and (r.scope_type = 'client'
           or exists (select from scope_services x
                      where (x.scope_type, x.scope_id, x.service_id) = (r.scope_type, r.scope_id, m.service_id)))
    group by r.id, m.what
), told as (
    select c.id, string_agg(c.n || ' ' || c.what, ', ' order by c.what) as cause,
           jsonb_agg(jsonb_build_object('what', c.what, 'facts', c.facts) order by c.what) as evidence
    from causes c group by c.id
)
insert into core.dora_restatements
    (client_id, metric_type, grain, scope_type, scope_id, calculation_date, old_value, new_value, old_sample_size,
     new_sample_size, reason, cause, evidence)
select
    r.client_id, r.metric_type, r.grain, r.scope_type, r.scope_id, r.calculation_date, r.metric_value, r.new_value,
    r.sample_size, r.new_sample_size, case s.reason when 'definition' then 'definition' else 'data' end,
    case when s.reason = 'definition' then 'definition ' || s.previous_version || ' became ' || s.definition_version
         when t.cause is not null then
             case r.family when 'deployments' then 'deployments' when 'delivery' then 'deployed changes'
                           when 'recovery' then 'incidents' else 'merged changes' end || ': ' || t.cause
         else 'the scope''s first day or services have changed' end,
    coalesce(t.evidence, '[]')
from restated_metrics r
cross join dora_settings s
left join told t on t.id = r.id;

insert into core.dora_publications (client_id, definition_version, reason, numbers, restated)
select s.client_id, s.definition_version,
       case when s.reason <> 'data' then s.reason when exists (select from moved) then 'data' else 'calendar' end,
       n.numbers, (select count(*) from restated_metrics)
from dora_settings s
cross join (
    select (select sum(numbers) from added_metrics) + (select count(*) from replaced_metrics) as numbers
) n
where n.numbers > 0;

-- Of a period that was still running, one version a day is enough after five weeks.
delete from core.dora_metric_history h
using dora_settings s
where h.client_id = s.client_id and h.valid_to < now() - interval '35 days' and h.valid_to > now() - interval '50 days'
  and h.period_end > (h.valid_to at time zone s.time_zone)::date
  and exists (
      select from core.dora_metric_history later
      where (later.client_id, later.metric_type, later.grain, later.scope_type, later.scope_id, later.calculation_date)
          = (h.client_id, h.metric_type, h.grain, h.scope_type, h.scope_id, h.calculation_date)
        and later.valid_from >= h.valid_to
        and (later.valid_to at time zone s.time_zone)::date = (h.valid_to at time zone s.time_zone)::date);
