-- Statements
-- core.dora_metrics: what is published, from dora_values; only what differs is written. One statement tells what is new (and
-- inserts it: added_metrics counts), what has changed and what is gone. replaced_metrics (temporary): the numbers that were
-- replaced or taken back, as they were.
analyze dora_values (metric_type, cell_id);
create temporary table changed_metrics (like core.dora_metrics) on commit drop;
create temporary table gone_metrics (like core.dora_metrics) on commit drop;
create temporary table added_metrics (numbers bigint) on commit drop;
with computed as (
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
     and v.metric_value >= b.lower_bound and (v.metric_value < b.upper_bound or b.upper_bound is null)
), wanted as materialized (
    select
        w.*, t.id, t.id is null as is_new,
        t.id is not null
            and row(t.period_start, t.period_end, t.is_partial, t.metric_value, t.p50, t.p75, t.p90, t.numerator, t.denominator,
                    t.sample_size, t.null_reason, t.tier, t.tier_year, t.definition_version)
                is distinct from row(w.period_start, w.period_end, w.is_partial, w.metric_value, w.p50, w.p75, w.p90,
                                     w.numerator, w.denominator, w.sample_size, w.null_reason, w.tier, w.tier_year,
                                     w.definition_version)
            as is_changed
    from computed w
    left join core.dora_metrics t
      on (t.client_id, t.metric_type, t.grain, t.scope_type, t.scope_id, t.calculation_date)
       = ((select core.etl_client_id()), w.metric_type, w.grain, w.scope_type, w.scope_id, w.calculation_date)
     -- (a client that has none yet has nothing to compare with; ordered, so that the key tells, and no scan of the table)
     and (select count(*) > 0 from (
            select from core.dora_metrics where client_id = (select core.etl_client_id())
            order by metric_type, grain, scope_type, scope_id, calculation_date limit 1) one)
), added as (
    insert into core.dora_metrics
        (client_id, metric_type, family, grain, scope_type, scope_id, calculation_date, period_start, period_end, is_partial,
         metric_value, unit, p50, p75, p90, numerator, denominator, sample_size, null_reason, tier, tier_year,
         definition_version)
    select (select core.etl_client_id()), metric_type, family, grain, scope_type, scope_id, calculation_date, period_start,
           period_end, is_partial, metric_value, unit, p50, p75, p90, numerator, denominator, sample_size, null_reason, tier,
           tier_year, definition_version
    from wanted where is_new
), counted as (
    insert into added_metrics select count(*) from wanted where is_new
), changed as (
    insert into changed_metrics
        (client_id, id, metric_type, family, grain, scope_type, scope_id, calculation_date, period_start, period_end,
         is_partial, metric_value, unit, p50, p75, p90, numerator, denominator, sample_size, null_reason, tier, tier_year,
         definition_version, published_at)
    select (select core.etl_client_id()), id, metric_type, family, grain, scope_type, scope_id, calculation_date, period_start,
           period_end, is_partial, metric_value, unit, p50, p75, p90, numerator, denominator, sample_size, null_reason, tier,
           tier_year, definition_version, now()
    from wanted where is_changed
), keys as materialized (
    -- Numbers that are there no more: of cells that were computed and gave none, of scopes that have gone, and of periods
    -- that have aged (see 70_cells.sql).
    (
    select t.metric_type, t.grain, t.scope_type, t.scope_id, t.calculation_date from core.dora_metrics t
    join recomputed_scopes r on (r.scope_type, r.scope_id, r.family) = (t.scope_type, t.scope_id, t.family)
    where t.client_id = (select core.etl_client_id())
    union all
    select k.metric_type, c.grain, c.scope_type, c.scope_id, c.calculation_date
    from (select distinct family, grain, scope_type, scope_id, calculation_date from dora_cells) c
    join core.metric_catalogue k on k.family = c.family
    where not (select is_full from dora_settings)
    union all
    select t.metric_type, t.grain, t.scope_type, t.scope_id, t.calculation_date from dora_settings s
    join core.dora_metrics t on t.client_id = s.client_id
    join core.metric_catalogue k on k.metric_type = t.metric_type
    where s.computed_through is distinct from s.today
      and case when t.grain like 'rolling%' then
                   not exists (select from rolling_ends e
                               where e.end_day = t.calculation_date and e.is_client = (t.scope_type = 'client')
                                 and (e.is_latest or k.has_past_windows))
               when t.grain in ('day', 'week') then
                   t.scope_type <> 'client' and t.period_end <= s.today - case t.grain when 'day' then 91 else 400 end
               else false end
    )
    except
    select metric_type, grain, scope_type, scope_id, calculation_date from wanted
)
insert into gone_metrics
select g.*
from keys k
-- (offset 0: there are few, which the planner does not know)
cross join lateral (
    select * from core.dora_metrics t
    where (t.client_id, t.metric_type, t.grain, t.scope_type, t.scope_id, t.calculation_date)
        = ((select core.etl_client_id()), k.metric_type, k.grain, k.scope_type, k.scope_id, k.calculation_date)
    offset 0
) g;
analyze gone_metrics;
analyze changed_metrics;
delete from core.dora_metrics t using gone_metrics g
where (t.client_id, t.metric_type, t.grain, t.scope_type, t.scope_id, t.calculation_date)
    = ((select core.etl_client_id()), g.metric_type, g.grain, g.scope_type, g.scope_id, g.calculation_date);

create temporary table replaced_metrics on commit drop as
select g.*, null::double precision as new_value, null::bigint as new_sample_size from gone_metrics g
union all
select t.*, w.metric_value, w.sample_size
from changed_metrics w
join core.dora_metrics t
  on (t.client_id, t.metric_type, t.grain, t.scope_type, t.scope_id, t.calculation_date)
   = (w.client_id, w.metric_type, w.grain, w.scope_type, w.scope_id, w.calculation_date);
analyze replaced_metrics;
update core.dora_metrics t set
    period_start = w.period_start, period_end = w.period_end, is_partial = w.is_partial, metric_value = w.metric_value,
    p50 = w.p50, p75 = w.p75, p90 = w.p90, numerator = w.numerator, denominator = w.denominator, sample_size = w.sample_size,
    null_reason = w.null_reason, tier = w.tier, tier_year = w.tier_year, definition_version = w.definition_version,
    published_at = w.published_at
from changed_metrics w
where (t.client_id, t.metric_type, t.grain, t.scope_type, t.scope_id, t.calculation_date)
    = (w.client_id, w.metric_type, w.grain, w.scope_type, w.scope_id, w.calculation_date);
