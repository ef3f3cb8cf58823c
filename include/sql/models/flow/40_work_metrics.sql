-- Statements
-- core.work_metrics: flow metrics by ISO week, month and the 30 days that end today, for the client and each project.
-- Recomputed are the periods that a changed item's old or new days fall into and those that had not ended at the last run;
-- work_in_progress depends on all earlier days, so its series is counted through. Nothing is done when no item changed and
-- the day is the same. core.work_scopes: from which day on a scope has items.
-- Inputs: work_run, work_changed, core.work_items.

-- Every scope's first day; empty when there is nothing to do.
create temporary table work_new_scopes on commit drop as
with projects as (
    select project_key, min(least(created_on, started_on, done_on)) as first_day
    from core.work_items
    where client_id = (select core.etl_client_id())
      and ((select is_full or is_new_day from work_run) or exists (select from work_changed))
    group by project_key
)
select 'client' as scope_type, '' as scope_id, min(first_day) as first_day from projects having count(*) > 0
union all
select 'project', project_key, first_day from projects;
analyze work_new_scopes;

create temporary table work_periods on commit drop as
with run as (
    select today, computed_through, is_full, is_full or is_new_day or exists (select from work_changed) as has_work
    from work_run
), changed_days as (
    select day
    from work_changed c
    cross join lateral unnest(array[c.old_created_on, c.created_on, c.old_done_on, c.done_on]) day
    where day is not null
    union
    -- From the old first day of a scope to its new one: there periods appear, vanish, or become whole.
    select d::date
    from run
    cross join (
        select least(o.first_day, n.first_day) as from_day,
               case when o.first_day is not null and n.first_day is not null then greatest(o.first_day, n.first_day) end as to_day
        from (select scope_type, scope_id, first_day from core.work_scopes where client_id = (select core.etl_client_id())) o
        full join work_new_scopes n on (n.scope_type, n.scope_id) = (o.scope_type, o.scope_id)
        where o.first_day is distinct from n.first_day
    ) moved
    cross join generate_series(moved.from_day::timestamp, coalesce(moved.to_day, run.today)::timestamp, interval '1 day') d
    where run.has_work
), changed as (
    select distinct g.grain, date_trunc(g.grain, day::timestamp)::date as period_start
    from changed_days cross join (values ('week'), ('month')) g (grain)
), periods as (
    select g.grain, d::date as period_start, (d + ('1 ' || g.grain)::interval)::date as period_end
    from run
    cross join work_new_scopes n
    cross join (values ('week'), ('month')) g (grain)
    cross join generate_series(date_trunc(g.grain, n.first_day::timestamp), run.today::timestamp, ('1 ' || g.grain)::interval) d
    where n.scope_type = 'client'
    union all
    select 'rolling_30d', today - 29, today + 1 from run where has_work
)
select p.grain, p.period_start, p.period_end,
       run.is_full or p.grain = 'rolling_30d' or run.computed_through is null or p.period_end > least(run.computed_through, run.today)
           or c.period_start is not null as is_affected
from periods p
cross join run
left join changed c on (c.grain, c.period_start) = (p.grain, p.period_start);
analyze work_periods;

create temporary table work_days on commit drop as
select p.grain, p.period_start, d::date as day
from work_periods p
cross join generate_series(p.period_start::timestamp, p.period_end::timestamp - interval '1 day', interval '1 day') d
where p.is_affected;
analyze work_days;

create temporary table work_wanted_metrics on commit drop as
with done as (
    select d.grain, d.period_start, case when grouping(w.project_key) = 1 then 'client' else 'project' end as scope_type,
           case when grouping(w.project_key) = 1 then '' else w.project_key end as scope_id,
           count(*) as n, count(*) filter (where w.is_bug) as bugs, count(*) filter (where w.reopened_count > 0) as reopened,
           count(w.cycle_time_hours) as cycles, count(w.lead_time_hours) as leads,
           percentile_cont(array[0.5, 0.75, 0.9]) within group (order by w.cycle_time_hours) as cycle,
           percentile_cont(array[0.5, 0.75, 0.9]) within group (order by w.lead_time_hours) as lead
    from work_days d
    join core.work_items w on w.client_id = (select core.etl_client_id()) and w.done_on = d.day
    group by d.grain, d.period_start, grouping sets ((), (w.project_key))
), created as (
    select d.grain, d.period_start, case when grouping(w.project_key) = 1 then 'client' else 'project' end as scope_type,
           case when grouping(w.project_key) = 1 then '' else w.project_key end as scope_id,
           count(*) as n, count(*) filter (where w.is_incident) as incidents
    from work_days d
    join core.work_items w on w.client_id = (select core.etl_client_id()) and w.created_on = d.day
    group by d.grain, d.period_start, grouping sets ((), (w.project_key))
), cells as (
    -- the periods of each scope, from its first day on
    select p.grain, p.period_start, p.period_end, p.is_affected, s.scope_type, s.scope_id, p.period_start < s.first_day
               or p.period_end > r.today + (p.grain = 'rolling_30d')::integer as is_partial,
           least(p.period_end - 1, r.today) as last_day
    from work_periods p
    join work_new_scopes s on p.period_end > s.first_day
    cross join work_run r
), flow as (
    -- one item more in progress on the day it started, one less on the day it was done
    select w.project_key, x.day, sum(x.change) as change
    from core.work_items w
    cross join lateral (values (w.started_on, 1), (greatest(w.started_on, w.done_on), -1)) x (day, change)
    where w.client_id = (select core.etl_client_id()) and exists (select from work_periods)
      and w.started_on is not null and (w.done_on is not null or w.status_category <> 'done')
      and (x.change = 1 or w.done_on is not null)
    group by w.project_key, x.day
), steps as (
    select 'client' as scope_type, '' as scope_id, day, change, null::text as grain, null::date as period_start from flow
    union all
    select 'project', project_key, day, change, null, null from flow
    union all
    select scope_type, scope_id, last_day, 0, grain, period_start from cells
), levels as (
    select scope_type, scope_id, grain, period_start,
           sum(change) over (partition by scope_type, scope_id order by day)::bigint as n
    from steps
), counted as (
    select c.grain, c.period_start, c.period_end, c.is_partial, c.scope_type, c.scope_id, m.metric_type, m.unit, m.n, m.numerator,
           m.p, m.is_count
    from cells c
    left join done d
      on (d.grain, d.period_start, d.scope_type, d.scope_id) = (c.grain, c.period_start, c.scope_type, c.scope_id)
    left join created k
      on (k.grain, k.period_start, k.scope_type, k.scope_id) = (c.grain, c.period_start, c.scope_type, c.scope_id)
    cross join lateral (
        values ('cycle_time', 'hours', d.cycles, null, d.cycle, false),
               ('lead_time', 'hours', d.leads, null, d.lead, false),
               ('throughput', 'count', d.n, null, null, true),
               ('reopened_share', 'ratio', d.n, d.reopened, null, false),
               ('bug_share', 'ratio', d.n, d.bugs, null, false),
               ('incident_load', 'ratio', k.n, k.incidents, null, false)
    ) m (metric_type, unit, n, numerator, p, is_count)
    where c.is_affected and (c.scope_type = 'client' or m.is_count or m.n > 0)
    union all
    select c.grain, c.period_start, c.period_end, c.is_partial, c.scope_type, c.scope_id, 'work_in_progress', 'count', l.n,
           null, null, true
    from cells c
    join levels l
      on (l.grain, l.period_start, l.scope_type, l.scope_id) = (c.grain, c.period_start, c.scope_type, c.scope_id)
), judged as (
    select x.grain, x.period_start, x.period_end, x.is_partial, x.scope_type, x.scope_id, x.metric_type, x.unit,
           coalesce(x.n, 0) as n, x.numerator, x.p,
           case
               when x.is_count then null
               when coalesce(x.n, 0) = 0 then 'no_data'
               when x.n < r.minimum_sample then 'below_minimum_sample'
           end as null_reason
    from counted x
    cross join work_run r
)
select metric_type, grain, scope_type, scope_id, period_end - 1 as calculation_date, period_start, period_end, is_partial,
       case
           when null_reason is not null then null
           when unit = 'count' then n::double precision
           when unit = 'ratio' then numerator::double precision / n
           else p[1]
       end as metric_value,
       unit,
       case when null_reason is null then p[1] end as p50,
       case when null_reason is null then p[2] end as p75,
       case when null_reason is null then p[3] end as p90,
       numerator, case when unit = 'ratio' and n > 0 then n end as denominator, n as sample_size, null_reason
from judged;
analyze work_wanted_metrics (metric_type, calculation_date);

delete from core.work_metrics t
where t.client_id = (select core.etl_client_id())
  and ((select is_full or is_new_day from work_run) or exists (select from work_changed))
  and (t.metric_type = 'work_in_progress' or t.grain = 'rolling_30d'
       or not exists (select from work_periods p
                      where (p.grain, p.period_start) = (t.grain, t.period_start) and not p.is_affected))
  and not exists (
      select from work_wanted_metrics w
      where (w.metric_type, w.grain, w.scope_type, w.scope_id, w.calculation_date)
          = (t.metric_type, t.grain, t.scope_type, t.scope_id, t.calculation_date));

merge into core.work_metrics as t
using work_wanted_metrics as s
on t.client_id = (select core.etl_client_id())
   and (t.metric_type, t.grain, t.scope_type, t.scope_id, t.calculation_date)
     = (s.metric_type, s.grain, s.scope_type, s.scope_id, s.calculation_date)
when matched and row(t.is_partial, t.metric_value, t.p50, t.p75, t.p90, t.numerator, t.denominator, t.sample_size, t.null_reason)
    is distinct from row(s.is_partial, s.metric_value, s.p50, s.p75, s.p90, s.numerator, s.denominator, s.sample_size,
                         s.null_reason) then update set
    is_partial = s.is_partial, metric_value = s.metric_value, p50 = s.p50, p75 = s.p75, p90 = s.p90,
    numerator = s.numerator, denominator = s.denominator, sample_size = s.sample_size, null_reason = s.null_reason,
    published_at = now()
when not matched then insert
    (client_id, metric_type, grain, scope_type, scope_id, calculation_date, period_start, period_end, is_partial,
     metric_value, unit, p50, p75, p90, numerator, denominator, sample_size, null_reason)
    values ((select core.etl_client_id()), s.metric_type, s.grain, s.scope_type, s.scope_id, s.calculation_date, s.period_start,
            s.period_end, s.is_partial, s.metric_value, s.unit, s.p50, s.p75, s.p90, s.numerator, s.denominator,
            s.sample_size, s.null_reason);

merge into core.work_scopes as t
using work_new_scopes as s
on t.client_id = (select core.etl_client_id()) and (t.scope_type, t.scope_id) = (s.scope_type, s.scope_id)
when matched and t.first_day <> s.first_day then update set first_day = s.first_day
when not matched then insert (client_id, scope_type, scope_id, first_day)
    values ((select core.etl_client_id()), s.scope_type, s.scope_id, s.first_day);

delete from core.work_scopes t
where t.client_id = (select core.etl_client_id())
  and ((select is_full or is_new_day from work_run) or exists (select from work_changed))
  and not exists (select from work_new_scopes s where (s.scope_type, s.scope_id) = (t.scope_type, t.scope_id));
