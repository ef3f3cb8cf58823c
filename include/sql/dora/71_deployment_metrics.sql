-- dora_values of the family deployments: deployment_frequency, change_failure_rate, deployment_rework_rate and
-- deployment_days_per_week by cell, from core.deployments.
create temporary table deployment_counts on commit drop as
select c.*, v.succeeded, v.finished, v.failed, v.reworked
from dora_cells c
cross join lateral (
    select count(*) filter (where d.result = 'success') as succeeded, count(*) as finished,
           count(*) filter (where d.failed_change) as failed, count(*) filter (where d.is_rework) as reworked
    from core.deployments d
    where d.client_id = (select core.etl_client_id()) and d.environment_tier = 'production'
      and d.finished_on >= c.period_start and d.finished_on < c.period_end
) v
where c.family = 'deployments' and c.scope_type = 'client'
union all
select c.*, v.succeeded, v.finished, v.failed, v.reworked
from dora_cells c
cross join lateral (
    select count(*) filter (where d.result = 'success') as succeeded, count(*) as finished,
           count(*) filter (where d.failed_change) as failed, count(*) filter (where d.is_rework) as reworked
    from scope_services m
    join core.deployments d
      on d.client_id = (select core.etl_client_id()) and d.service_id = m.service_id and d.environment_tier = 'production'
     and d.finished_on >= c.period_start and d.finished_on < c.period_end
    where (m.scope_type, m.scope_id) = (c.scope_type, c.scope_id)
) v
where c.family = 'deployments' and c.scope_type <> 'client';

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
where c.scope_type = 'client' or c.finished > 0;

-- The median over the ISO weeks inside the period that have ended, from the first complete week on.
create temporary table deployment_weeks on commit drop as
with wanted as (
    select scope_type, scope_id, min(greatest(period_start, success_day)) as low, max(least(until_day, (select today from dora_settings))) as high
    from dora_cells
    where family = 'deployments' and grain in ('month', 'rolling_30d', 'rolling_90d') and success_day is not null
    group by 1, 2
), days as materialized (
    select distinct d.service_id, d.finished_on as day
    from core.deployments d
    where d.client_id = (select core.etl_client_id()) and d.environment_tier = 'production' and d.result = 'success'
      and d.finished_on >= (select min(low) from wanted) and d.finished_on < (select max(high) from wanted)
), counted as (
    select 'client' as scope_type, '' as scope_id, date_trunc('week', day)::date as week_start, count(distinct day) as days
    from days group by 3
    union all
    select m.scope_type, m.scope_id, date_trunc('week', d.day)::date, count(distinct d.day)
    from days d join scope_services m on m.service_id = d.service_id
    group by 1, 2, 3
)
select w.scope_type, w.scope_id, k::date as week_start, coalesce(c.days, 0) as days
from wanted w
cross join lateral generate_series(date_trunc('week', w.low + 6), w.high - 7, interval '1 week') k
left join counted c on (c.scope_type, c.scope_id, c.week_start) = (w.scope_type, w.scope_id, k::date);
create index on deployment_weeks (scope_type, scope_id, week_start);
analyze deployment_weeks;

insert into dora_values
select 'deployment_days_per_week', c.cell_id, v.n, null::bigint, null::bigint, v.p[1], v.p
from dora_cells c
cross join lateral (
    select count(*) as n, sum(k.days) as total, percentile_cont(array[0.5, 0.75, 0.9]) within group (order by k.days) as p
    from deployment_weeks k
    where (k.scope_type, k.scope_id) = (c.scope_type, c.scope_id) and k.week_start >= c.period_start
      and k.week_start >= c.success_day
      and k.week_start <= least(c.until_day, (select today from dora_settings)) - 7
) v
where c.family = 'deployments' and c.grain in ('month', 'rolling_30d', 'rolling_90d')
  and (c.scope_type = 'client' or v.total > 0);
