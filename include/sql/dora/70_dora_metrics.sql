-- core.dora_metrics: every metric by day, ISO week, month (since the first fact) and rolling 7/30/90 days (one row a
-- day, last 400 days), for the client and each service, in the client's time zone. A client's number pools the events
-- of its services. No data, or fewer than dora.minimum_sample, is NULL with a reason.
with settings as materialized (
    select
        c.id as client_id, c.time_zone,
        (now() at time zone c.time_zone)::date as today,
        (core.setting('dora.minimum_sample', '5') #>> '{}')::integer as minimum_sample,
        'pulse-1:' || left(md5(coalesce((
            select string_agg(setting_key || '=' || setting_value, ';' order by setting_key)
            from core.system_settings where client_id = c.id and setting_key like 'dora.%'), '') || c.time_zone), 8)
            as definition_version
    from core.clients c
    where c.id = (select core.etl_client_id())
), production as materialized (
    select d.service_id, (d.finished_at at time zone s.time_zone)::date as day, d.result, d.is_rework,
           d.result = 'success' and (d.rolled_back_by is not null
               or exists (select from core.incident_deployments l
                          where (l.client_id, l.deployment_id) = (d.client_id, d.id))) as failed_change
    from core.deployments d, settings s
    where d.client_id = s.client_id and d.environment_tier = 'production'
), events as materialized (
    -- one row a thing that counts: its day, its service, the metric, and its value (hours) or its parts (0/1)
    select 'deployment_frequency' as metric_type, service_id, day, null::double precision as hours, 1 as num, 1 as den
    from production where result = 'success'
    union all
    select 'change_failure_rate', service_id, day, null, failed_change::integer, 1 from production
    union all
    select 'deployment_rework_rate', service_id, day, null, is_rework::integer, 1 from production
    union all
    select 'lead_time_for_changes', e.service_id, (e.deployed_at at time zone s.time_zone)::date, e.lead_time_hours, 1, 1
    from core.change_evidence e, settings s
    where e.client_id = s.client_id and e.in_lead_time
    union all
    select 'time_to_restore', i.service_id, (i.resolved_at at time zone s.time_zone)::date, i.time_to_restore_hours, 1, 1
    from core.incident_evidence i, settings s
    where i.client_id = s.client_id and i.time_to_restore_hours is not null
    union all
    select 'failed_deployment_recovery_time', i.service_id, (i.resolved_at at time zone s.time_zone)::date,
           i.recovery_hours, 1, 1
    from core.incident_evidence i, settings s
    where i.client_id = s.client_id and i.recovery_hours is not null
), first_day as materialized (
    select min(day) as day, min(day) filter (where metric_type = 'deployment_frequency') as deployments_from from events
), periods as materialized (
    select 'day' as grain, d::date as period_start, d::date + 1 as period_end
    from first_day f, settings s, generate_series(f.day, s.today, interval '1 day') d
    union all
    select 'week', d::date, d::date + 7
    from first_day f, settings s, generate_series(date_trunc('week', f.day), s.today, interval '1 week') d
    union all
    select 'month', d::date, (d + interval '1 month')::date
    from first_day f, settings s, generate_series(date_trunc('month', f.day), s.today, interval '1 month') d
    union all
    select 'rolling_' || n || 'd', d::date - n + 1, d::date + 1
    from first_day f, settings s, unnest(array[7, 30, 90]) n,
         generate_series(greatest(f.day, s.today - 400), s.today, interval '1 day') d
), hits as materialized (
    -- which event falls into which period: by arithmetic, not by comparing every pair
    select e.*, 'day' as grain, e.day as period_start from events e
    union all select e.*, 'week', date_trunc('week', e.day)::date from events e
    union all select e.*, 'month', date_trunc('month', e.day)::date from events e
    union all
    select e.*, 'rolling_' || n || 'd', e.day + k - n + 1
    from events e, settings s, unnest(array[7, 30, 90]) n, generate_series(0, n - 1) k
    where e.day + k between s.today - 400 and s.today
), sums as materialized (
    select metric_type, grain, period_start,
           case when grouping(service_id) = 1 then 'client' else 'service' end as scope_type,
           case when grouping(service_id) = 1 then '' else service_id end as scope_id,
           sum(num) as num, sum(den) as den, count(*) as n, count(distinct day) as days,
           percentile_cont(array[0.5, 0.75, 0.9]) within group (order by hours) as p
    from hits
    group by metric_type, grain, period_start, grouping sets ((), (service_id))
), scopes as (
    select 'client' as scope_type, '' as scope_id
    union all
    select 'service', id from core.services where client_id = (select core.etl_client_id())
), metrics (metric_type, unit, kind) as (
    values ('deployment_frequency', 'per_day', 'count'), ('lead_time_for_changes', 'hours', 'median'),
           ('change_failure_rate', 'ratio', 'ratio'), ('failed_deployment_recovery_time', 'hours', 'median'),
           ('time_to_restore', 'hours', 'median'), ('deployment_rework_rate', 'ratio', 'ratio')
), wanted as (
    select
        s.client_id, m.metric_type, p.grain, c.scope_type, c.scope_id, p.period_end - 1 as calculation_date,
        p.period_start, p.period_end, m.unit,
        p.period_end > s.today + (p.grain like 'rolling%')::integer
            or coalesce(p.period_start < f.day, true) as is_partial,
        coalesce(x.n, 0) as n, x.num, x.den, x.p,
        case
            when m.kind = 'count' then case when p.period_end <= f.deployments_from or f.deployments_from is null then 'no_data' end
            when coalesce(x.n, 0) = 0 then 'no_data'
            when x.n < s.minimum_sample then 'below_minimum_sample'
        end as null_reason,
        case m.kind
            when 'count' then coalesce(x.num, 0)::double precision
                / greatest(1, least(p.period_end, s.today + 1) - greatest(p.period_start, f.deployments_from))
            when 'ratio' then x.num::double precision / x.den
            else x.p[1]
        end as value,
        s.definition_version
    from settings s
    cross join first_day f
    cross join periods p
    cross join scopes c
    cross join metrics m
    left join sums x
      on (x.metric_type, x.grain, x.period_start, x.scope_type, x.scope_id)
       = (m.metric_type, p.grain, p.period_start, c.scope_type, c.scope_id)
    where c.scope_type = 'client' or x.n is not null or p.grain in ('week', 'month', 'rolling_30d')
), rows as (
    select
        w.client_id, w.metric_type, w.grain, w.scope_type, w.scope_id, w.calculation_date, w.period_start,
        w.period_end, w.is_partial, case when w.null_reason is null then w.value end as metric_value, w.unit,
        case when w.null_reason is null then w.p[1] end as p50, case when w.null_reason is null then w.p[2] end as p75,
        case when w.null_reason is null then w.p[3] end as p90, w.num as numerator,
        case when w.metric_type in ('change_failure_rate', 'deployment_rework_rate') then w.den end as denominator,
        w.n as sample_size, w.null_reason,
        core.dora_tier(w.metric_type, case when w.null_reason is null then w.value end) as tier,
        w.definition_version
    from wanted w
)
merge into core.dora_metrics as t
using rows as s
on (t.client_id, t.metric_type, t.grain, t.scope_type, t.scope_id, t.calculation_date)
 = (s.client_id, s.metric_type, s.grain, s.scope_type, s.scope_id, s.calculation_date)
when matched and row(t.period_start, t.period_end, t.is_partial, t.metric_value, t.p50, t.p75, t.p90, t.numerator,
                     t.denominator, t.sample_size, t.null_reason, t.tier, t.definition_version)
    is distinct from row(s.period_start, s.period_end, s.is_partial, s.metric_value, s.p50, s.p75, s.p90, s.numerator,
                         s.denominator, s.sample_size, s.null_reason, s.tier, s.definition_version) then update set
    period_start = s.period_start, period_end = s.period_end, is_partial = s.is_partial,
    metric_value = s.metric_value, p50 = s.p50, p75 = s.p75, p90 = s.p90, numerator = s.numerator,
    denominator = s.denominator, sample_size = s.sample_size, null_reason = s.null_reason, tier = s.tier,
    tier_year = case when s.tier is null then null else 2024 end, definition_version = s.definition_version,
    published_at = now()
when not matched then insert
    (client_id, metric_type, grain, scope_type, scope_id, calculation_date, period_start, period_end, is_partial,
     metric_value, unit, p50, p75, p90, numerator, denominator, sample_size, null_reason, tier, tier_year,
     definition_version)
    values (s.client_id, s.metric_type, s.grain, s.scope_type, s.scope_id, s.calculation_date, s.period_start,
            s.period_end, s.is_partial, s.metric_value, s.unit, s.p50, s.p75, s.p90, s.numerator, s.denominator,
            s.sample_size, s.null_reason, s.tier, case when s.tier is null then null else 2024 end,
            s.definition_version)
when not matched by source and t.client_id = (select core.etl_client_id()) then delete;
