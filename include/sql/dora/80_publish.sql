-- core.dora_metrics: what is published, from dora_values; only what differs is written. What is replaced or taken back moves
-- to core.dora_metric_history; a change of a period that had ended before is told in core.dora_restatements, and each
-- publication in core.dora_publications.
analyze dora_values (metric_type, cell_id);
create temporary table wanted_metrics on commit drop as
select
    v.metric_type, k.family, c.grain, c.scope_type, c.scope_id, c.calculation_date, c.period_start, c.period_end,
    c.is_running or coalesce(c.period_start < case when v.metric_type in ('deployment_frequency', 'deployment_days_per_week')
                                                   then c.success_day else c.kind_day end, false) as is_partial,
    k.unit, v.numerator, v.denominator, v.sample_size, checked.null_reason,
    case when checked.null_reason is null then v.metric_value end as metric_value,
    case when checked.null_reason is null then v.percentiles[1] end as p50,
    case when checked.null_reason is null then v.percentiles[2] end as p75,
    case when checked.null_reason is null then v.percentiles[3] end as p90,
    s.definition_version, b.label as tier, b.year as tier_year
from dora_values v
cross join dora_settings s
join core.metric_catalogue k on k.metric_type = v.metric_type
join dora_cells c on c.cell_id = v.cell_id
cross join lateral (
    select case
        when v.metric_type = 'deployment_frequency' then
            case when c.success_day is null or c.period_end <= c.success_day then 'no_data'
                 when v.metric_value is null then 'no_working_days' end
        when v.sample_size = 0 then 'no_data'
        when v.sample_size < s.minimum_sample and v.metric_type <> 'deployment_days_per_week' then 'below_minimum_sample'
    end as null_reason
) checked
left join core.benchmarks b
  on b.metric_type = k.benchmark_metric and b.year = s.benchmark_year and b.kind = 'tier' and checked.null_reason is null
 and v.metric_value >= b.lower_bound and (v.metric_value < b.upper_bound or b.upper_bound is null);
analyze wanted_metrics (metric_type, grain, scope_type, scope_id, calculation_date);

-- Numbers that are there no more: of cells that were computed and gave none, of scopes that have gone, and of periods that
-- have aged (see 70_cells.sql).
create temporary table gone_metrics on commit drop as
with candidates as (
    select t.id from core.dora_metrics t
    join recomputed_scopes r on (r.scope_type, r.scope_id, r.family) = (t.scope_type, t.scope_id, t.family)
    where t.client_id = (select core.etl_client_id())
    union
    select t.id from (select distinct family, grain, scope_type, scope_id, calculation_date from dora_cells) c
    join core.metric_catalogue k on k.family = c.family
    join core.dora_metrics t
      on (t.client_id, t.metric_type, t.grain, t.scope_type, t.scope_id, t.calculation_date)
       = ((select core.etl_client_id()), k.metric_type, c.grain, c.scope_type, c.scope_id, c.calculation_date)
    where not (select is_full from dora_settings)
    union
    select t.id from dora_settings s
    join core.dora_metrics t on t.client_id = s.client_id
    where s.computed_through is distinct from s.today
      and case when t.grain like 'rolling%' then
                   not exists (select from rolling_ends e
                               where e.end_day = t.calculation_date and (e.for_all or t.scope_type = 'client'))
               when t.grain in ('day', 'week') then t.scope_type <> 'client' and t.period_end <= s.today - 400
               else false end
)
select g.* from candidates c
join core.dora_metrics g on (g.client_id, g.id) = ((select core.etl_client_id()), c.id)
where not exists (
    select from wanted_metrics w
    where (w.metric_type, w.grain, w.scope_type, w.scope_id, w.calculation_date)
        = (g.metric_type, g.grain, g.scope_type, g.scope_id, g.calculation_date));
analyze gone_metrics;
delete from core.dora_metrics t using gone_metrics g where (t.client_id, t.id) = (g.client_id, g.id);

create temporary table replaced_metrics on commit drop as
select * from gone_metrics;
alter table replaced_metrics add column new_value double precision, add column new_sample_size bigint;
with merged as (
    merge into core.dora_metrics as t
    using wanted_metrics as s
       on (t.client_id, t.metric_type, t.grain, t.scope_type, t.scope_id, t.calculation_date)
        = ((select core.etl_client_id()), s.metric_type, s.grain, s.scope_type, s.scope_id, s.calculation_date)
    when matched and row(t.period_start, t.period_end, t.is_partial, t.metric_value, t.p50, t.p75, t.p90, t.numerator,
                         t.denominator, t.sample_size, t.null_reason, t.tier, t.tier_year, t.definition_version)
        is distinct from row(s.period_start, s.period_end, s.is_partial, s.metric_value, s.p50, s.p75, s.p90, s.numerator,
                             s.denominator, s.sample_size, s.null_reason, s.tier, s.tier_year, s.definition_version)
    then update set
        period_start = s.period_start, period_end = s.period_end, is_partial = s.is_partial,
        metric_value = s.metric_value, p50 = s.p50, p75 = s.p75, p90 = s.p90, numerator = s.numerator,
        denominator = s.denominator, sample_size = s.sample_size, null_reason = s.null_reason, tier = s.tier,
        tier_year = s.tier_year, definition_version = s.definition_version, published_at = now()
    when not matched then insert
        (client_id, metric_type, family, grain, scope_type, scope_id, calculation_date, period_start, period_end, is_partial,
         metric_value, unit, p50, p75, p90, numerator, denominator, sample_size, null_reason, tier, tier_year,
         definition_version)
        values ((select core.etl_client_id()), s.metric_type, s.family, s.grain, s.scope_type, s.scope_id, s.calculation_date,
                s.period_start, s.period_end, s.is_partial, s.metric_value, s.unit, s.p50, s.p75, s.p90, s.numerator,
                s.denominator, s.sample_size, s.null_reason, s.tier, s.tier_year, s.definition_version)
    returning old as before, new as after
), counted as (
    select set_config('pulse.numbers', count(*)::text, true) from merged
)
insert into replaced_metrics
select (m.before).*, (m.after).metric_value, (m.after).sample_size
from counted, merged m
where (m.before).id is not null;
analyze replaced_metrics;

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
cross join (select current_setting('pulse.numbers')::bigint + (select count(*) from gone_metrics) as numbers) n
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
