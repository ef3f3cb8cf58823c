-- Statements
-- dora_values of the family deployments: deployment_frequency, change_failure_rate, deployment_rework_rate and
-- deployment_days_per_week by cell, from core.deployments.
create temporary table deployment_days on commit drop as
with facts as materialized (
    select d.service_id, d.finished_on as day, count(*) filter (where d.result = 'success')::integer as succeeded,
           count(*)::integer as finished, count(*) filter (where d.failed_change)::integer as failed,
           count(*) filter (where d.is_rework)::integer as reworked
    from core.deployments d
    where d.client_id = (select core.etl_client_id()) and d.environment_tier = 'production'
      and d.finished_on >= (select from_day from counted_days where family = 'deployments')
      and d.finished_on < (select until_day from counted_days where family = 'deployments')
    group by 1, 2
), placed as (
    select 1 as scope_no, f.* from facts f
    union all
    select m.scope_no, f.* from facts f join counted_services m on m.family = 'deployments' and m.service_id = f.service_id
)
select scope_no, day, sum(succeeded)::integer as succeeded, sum(finished)::integer as finished, sum(failed)::integer as failed,
       sum(reworked)::integer as reworked
from placed group by 1, 2 order by 1, 2;
create index on deployment_days (scope_no, day);
analyze deployment_days;

create temporary table deployment_counts on commit drop as
select c.*, v.succeeded, v.finished, v.failed, v.reworked
from dora_cells c
cross join lateral (
    select coalesce(sum(d.succeeded), 0) as succeeded, coalesce(sum(d.finished), 0) as finished,
           coalesce(sum(d.failed), 0) as failed, coalesce(sum(d.reworked), 0) as reworked
    from deployment_days d
    where d.scope_no = c.scope_no and d.day >= c.period_start and d.day < c.period_end
) v
where c.family = 'deployments';

insert into dora_values
-- Days count from the scope's first successful deployment on (working days only, where the client counts those).
select
    'deployment_frequency', c.cell_id, c.succeeded, c.succeeded, null::bigint,
    c.succeeded / nullif(days.n, 0)::double precision, null::double precision[]
from deployment_counts c
cross join dora_settings s
cross join lateral (
    select case when not s.working then c.until_day - greatest(c.period_start, c.success_day) else (
        select count(*) from core.client_calendar k
        where k.client_id = s.client_id and k.is_working
          and k.day >= greatest(c.period_start, c.success_day) and k.day < c.until_day)::integer end as n
) days
where c.scope_type = 'client' or c.succeeded > 0
   or (c.grain in ('week', 'month', 'rolling_30d') and c.period_end > c.success_day)
union all
select r.metric_type, c.cell_id, c.finished, r.part, c.finished,
       r.part / nullif(c.finished, 0)::double precision, null
from deployment_counts c
cross join lateral (
    values ('change_failure_rate', c.failed), ('deployment_rework_rate', c.reworked)
) r (metric_type, part)
where c.has_reasons or c.finished > 0;

-- The median over the ISO weeks inside the period that have ended, from the first complete week on.
create temporary table deployment_weeks on commit drop as
with wanted as (
    select scope_no, min(greatest(period_start, success_day)) as low,
           max(least(until_day, (select today from dora_settings))) as high
    from dora_cells
    where family = 'deployments' and grain in ('month', 'rolling_30d', 'rolling_90d') and success_day is not null
    group by 1
), counted as (
    select scope_no, date_trunc('week', day)::date as week_start, count(*) as days
    from deployment_days where succeeded > 0 group by 1, 2
)
select w.scope_no, k::date as week_start, coalesce(c.days, 0) as days
from wanted w
cross join lateral generate_series(date_trunc('week', w.low + 6), w.high - 7, interval '1 week') k
left join counted c on (c.scope_no, c.week_start) = (w.scope_no, k::date);
create index on deployment_weeks (scope_no, week_start);
analyze deployment_weeks;

insert into dora_values
select 'deployment_days_per_week', c.cell_id, v.n, null::bigint, null::bigint, v.p[1], v.p
from dora_cells c
cross join lateral (
    select count(*) as n, sum(k.days) as total, percentile_cont(array[0.5, 0.75, 0.9]) within group (order by k.days) as p
    from deployment_weeks k
    where k.scope_no = c.scope_no and k.week_start >= c.period_start and k.week_start >= c.success_day
      and k.week_start <= least(c.until_day, (select today from dora_settings)) - 7
) v
where c.family = 'deployments' and c.grain in ('month', 'rolling_30d', 'rolling_90d')
  and (c.has_reasons or v.total > 0);
