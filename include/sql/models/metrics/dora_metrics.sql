-- Table core.dora_metrics: the published numbers.
-- Grain: one row per metric, grain, scope and period (calculation_date, its last day).
-- Per: metric_type, grain, scope_type, scope_id, calculation_date
-- Stamps: published_at
-- Keeps: replaced rows
-- Touched are the numbers of computed cells and recomputed scopes, and those that have aged (see cells.sql).
select k.metric_type, c.grain, c.scope_type, c.scope_id, c.calculation_date
from (select distinct family, grain, scope_type, scope_id, calculation_date from cells) c
join core.metric_catalogue k on k.family = c.family
union
select t.metric_type, t.grain, t.scope_type, t.scope_id, t.calculation_date
from recomputed_scopes r
join core.dora_metrics t on (t.scope_type, t.scope_id, t.family) = (r.scope_type, r.scope_id, r.family)
union
select t.metric_type, t.grain, t.scope_type, t.scope_id, t.calculation_date
from settings s
join core.dora_metrics t on s.computed_through is distinct from s.today
join core.metric_catalogue k on k.metric_type = t.metric_type
where case when t.grain like 'rolling%' then
               not exists (select from rolling_ends e
                           where e.end_day = t.calculation_date
                             and e.is_client = (t.scope_type = 'client' and t.family <> 'work')
                             and (e.is_latest or k.has_past_windows))
           when t.grain in ('day', 'week') then
               t.scope_type not in ('client', 'project') and t.period_end <= s.today - case t.grain when 'day' then 91 else 400 end
           else false end
;
with numbers as (
    select * from deployment_numbers
    union all
    select * from delivery_numbers
    union all
    select * from recovery_numbers
    union all
    select * from pull_request_numbers
    union all
    select * from work_numbers
), judged as (
    select n.*, k.family, k.unit, c.grain, c.scope_type, c.scope_id, c.calculation_date,
           c.period_start, c.period_end,
           c.is_running or coalesce(
               c.period_start < case when n.metric_type in ('deployment_frequency', 'deployment_days_per_week')
                                     then c.success_day else c.kind_day end, false) as is_partial,
           case
               when k.unit = 'items' then null  -- nothing is a value
               when n.metric_type = 'deployment_frequency' then
                   case when c.success_day is null or c.period_end <= c.success_day then 'no_data'
                        when n.metric_value is null then 'no_working_days' end
               when n.sample_size = 0 then 'no_data'
               when n.sample_size < s.minimum_sample
                    and n.metric_type not in ('deployment_days_per_week', 'redeployments', 'rollbacks')
                   then 'below_minimum_sample'
           end as null_reason
    from numbers n
    cross join settings s
    join core.metric_catalogue k on k.metric_type = n.metric_type
    join cells c on c.cell_id = n.cell_id
)
select
    j.metric_type, j.family, j.grain, j.scope_type, j.scope_id, j.calculation_date, j.period_start, j.period_end,
    j.is_partial, case when j.null_reason is null then j.metric_value end as metric_value, j.unit,
    case when j.null_reason is null then j.percentiles[1] end as p50,
    case when j.null_reason is null then j.percentiles[2] end as p75,
    case when j.null_reason is null then j.percentiles[3] end as p90,
    j.numerator, j.denominator, j.sample_size, j.null_reason, s.definition_version,
    case when j.null_reason is null then j.calendar_value end as calendar_value, j.guessed
from judged j
cross join settings s
