-- Table core.work_metrics: the published flow metrics, by week, month and the 30 days that end today.
-- Grain: one row per metric, period and scope: the client, and each project.
-- Work in progress depends on all earlier days, so it is counted in every period; the others in those affected.
-- Per: metric_type, grain, period_start
-- Stamps: published_at
select m.metric_type, grain, period_start
from work_periods p
full join core.work_metrics m using (grain, period_start)
where (p.is_affected is not false or m.metric_type = 'work_in_progress') and exists (select from work_periods)
;
with items as not materialized (
    select s.scope_type, s.scope_id, w.*
    from core.work_items w
    cross join lateral (values ('client', ''), ('project', w.project_key)) s (scope_type, scope_id)
), done as (
    select p.period_start, p.grain, i.scope_id, i.scope_type, count(*) as n,
           count(*) filter (where i.is_bug) as bugs, count(*) filter (where i.reopened_count > 0) as reopened,
           count(i.cycle_time_hours) as cycles, count(i.lead_time_hours) as leads,
           percentile_cont(array[0.5, 0.75, 0.9]) within group (order by i.cycle_time_hours) as cycle,
           percentile_cont(array[0.5, 0.75, 0.9]) within group (order by i.lead_time_hours) as lead
    from work_periods p
    join items i on i.done_on >= p.period_start and i.done_on < p.period_end
    where p.is_affected
    group by 1, 2, 3, 4
), created as (
    select p.period_start, p.grain, i.scope_id, i.scope_type, count(*) as n,
           count(*) filter (where i.is_incident) as incidents
    from work_periods p
    join items i on i.created_on >= p.period_start and i.created_on < p.period_end
    where p.is_affected
    group by 1, 2, 3, 4
), cells as (
    -- the periods of each scope, from its first day on
    select p.*, c.scope_type, c.scope_id, least(p.period_end - 1, s.today) as last_day,
           p.period_start < c.first_day or p.period_end > s.today + (p.grain = 'rolling_30d')::integer as is_partial
    from work_periods p
    join core.work_scopes c on p.period_end > c.first_day
    cross join settings s
), steps as (
    -- one item more in progress on the day it was started, one less on the day it was done
    select i.scope_type, i.scope_id, x.day, sum(x.step) as step, null as grain, null::date as period_start
    from items i
    cross join lateral (values (i.started_on, 1), (greatest(i.started_on, i.done_on), -1)) x (day, step)
    where i.started_on is not null and (i.done_on is not null or i.status_category <> 'done' and x.step = 1)
    group by i.scope_type, i.scope_id, x.day
    union all
    select scope_type, scope_id, last_day, 0, grain, period_start from cells
), levels as (
    select grain, period_start, scope_type, scope_id,
           sum(step) over (partition by scope_type, scope_id order by day)::bigint as n
    from steps
), counted as (
    select c.*, m.metric_type, m.unit, coalesce(m.n, 0) as n, m.numerator, m.p,
           case
               when m.unit = 'count' then null
               when coalesce(m.n, 0) = 0 then 'no_data'
               when m.n < (select minimum_sample from settings) then 'below_minimum_sample'
           end as null_reason
    from cells c
    left join done d using (grain, period_start, scope_type, scope_id)
    left join created k using (grain, period_start, scope_type, scope_id)
    left join levels l using (grain, period_start, scope_type, scope_id)
    cross join lateral (
        values ('cycle_time', 'hours', d.cycles, null, d.cycle),
               ('lead_time', 'hours', d.leads, null, d.lead),
               ('throughput', 'count', d.n, null, null),
               ('work_in_progress', 'count', l.n, null, null),
               ('reopened_share', 'ratio', d.n, d.reopened, null),
               ('bug_share', 'ratio', d.n, d.bugs, null),
               ('incident_load', 'ratio', k.n, k.incidents, null)
    ) m (metric_type, unit, n, numerator, p)
    where (c.is_affected or m.metric_type = 'work_in_progress')
      and (c.scope_type = 'client' or m.unit = 'count' or m.n > 0)
)
select metric_type, grain, scope_type, scope_id, period_end - 1 as calculation_date, period_start, period_end,
       is_partial,
       case
           when null_reason is not null then null
           when unit = 'count' then n::double precision
           when unit = 'ratio' then numerator::double precision / n
           else p[1]
       end as metric_value,
       unit, case when null_reason is null then p[1] end as p50, case when null_reason is null then p[2] end as p75,
       case when null_reason is null then p[3] end as p90, numerator,
       case when unit = 'ratio' and n > 0 then n end as denominator, n as sample_size, null_reason
from counted
