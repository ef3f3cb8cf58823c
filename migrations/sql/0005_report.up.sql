-- What Superset reads: one view a purpose, each with client_id first, each reading as the caller (security_invoker), so
-- that the policies of the tables decide. core.*_evidence: the rows behind the metrics, used by include/sql/dora and by
-- the report views alike, so that a tile and its evidence cannot disagree.

create function core.dora_tier(metric_type text, value double precision) returns text
    language sql immutable parallel safe
    return case
        when value is null then null
        -- 2024 report, table of clusters. The change failure rate is not monotonic there, so it never gives a tier.
        when metric_type = 'deployment_frequency' then
            case when value >= 1 then 'elite' when value >= 1.0 / 7 then 'high' when value >= 1.0 / 30.4 then 'medium' else 'low' end
        when metric_type = 'lead_time_for_changes' then
            case when value < 24 then 'elite' when value < 168 then 'high' when value < 730 then 'medium' else 'low' end
        when metric_type in ('failed_deployment_recovery_time', 'time_to_restore') then
            case when value < 1 then 'elite' when value < 24 then 'high' when value < 168 then 'medium' else 'low' end
    end;
comment on function core.dora_tier(text, double precision) is
    'Tier of a value after the 2024 table; NULL for metrics that alone give no tier. Hours, or deployments a day.';

create function core.hours_between(from_at timestamptz, to_at timestamptz) returns double precision
    language sql immutable parallel safe
    return case when to_at >= from_at then (extract(epoch from to_at) - extract(epoch from from_at))::double precision / 3600 end;
comment on function core.hours_between(timestamptz, timestamptz) is 'Hours; NULL when negative or when an end is missing.';

grant execute on function core.dora_tier(text, double precision), core.hours_between(timestamptz, timestamptz)
    to pulse_etl, pulse_staff, pulse_reader;

create function core.display_text(unit text, value double precision) returns text
    language sql immutable parallel safe
    return case
        when value is null then '—'
        when unit = 'ratio' then to_char(value * 100, 'FM990.0') || ' %'
        when unit = 'per_day' and value >= 1 then to_char(value, 'FM9990.0') || ' per day'
        when unit = 'per_day' and value * 7 >= 1 then to_char(value * 7, 'FM990.0') || ' per week'
        when unit = 'per_day' then to_char(value * 30.4, 'FM990.0') || ' per month'
        when unit = 'hours' and value < 1 then to_char(value * 60, 'FM90') || ' min'
        when unit = 'hours' and value < 48 then to_char(value, 'FM990.0') || ' h'
        when unit = 'hours' then to_char(value / 24, 'FM9990.0') || ' days'
        else to_char(value, 'FM9990.0')
    end;
comment on function core.display_text(text, double precision) is 'A metric''s value as a person says it; a dash for NULL.';
grant execute on function core.display_text(text, double precision) to pulse_etl, pulse_staff, pulse_reader;

create view core.change_evidence with (security_invoker = true) as
select
    c.client_id, c.id as change_id, c.service_id, s.name as service_name, c.number, c.title, c.url, c.author,
    c.first_commit_at, c.opened_at, c.first_review_at, c.approved_at, c.merged_at, c.is_bot, c.is_revert, c.is_hotfix,
    d.id as deployment_id, d.finished_at as deployed_at, d.url as deployment_url,
    core.hours_between(start.started_at, d.finished_at) as lead_time_hours,
    core.hours_between(c.first_commit_at, c.opened_at) as coding_hours,
    core.hours_between(c.opened_at, c.first_review_at) as pickup_hours,
    core.hours_between(c.first_review_at, c.merged_at) as review_hours,
    core.hours_between(c.merged_at, d.finished_at) as merge_to_deploy_hours,
    exclusion.reason is null as in_lead_time,
    exclusion.reason as exclusion_reason
from core.changes c
join core.services s on (s.client_id, s.id) = (c.client_id, c.service_id)
left join core.deployment_changes l on (l.client_id, l.change_id) = (c.client_id, c.id)
left join core.deployments d on (d.client_id, d.id) = (l.client_id, l.deployment_id)
left join core.system_settings start_event
  on start_event.client_id = c.client_id and start_event.setting_key = 'dora.start_event'
left join core.system_settings exclude_bots
  on exclude_bots.client_id = c.client_id and exclude_bots.setting_key = 'dora.exclude_bots'
cross join lateral (
    select case when start_event.setting_value = '"opened"' then c.opened_at else c.first_commit_at end as started_at
) start
cross join lateral (
    select case
        when d.id is null then 'not deployed'
        when c.is_bot and coalesce(exclude_bots.setting_value, 'true') = 'true' then 'bot'
        when start.started_at is null then 'no commits'
        when d.finished_at < start.started_at then 'negative duration'
    end as reason
) exclusion;

create view core.incident_evidence with (security_invoker = true) as
select
    i.client_id, i.id as incident_id, i.key, i.title, i.url, i.severity, i.service_id, s.name as service_name,
    i.created_at, i.resolved_at, l.deployment_id as caused_by_deployment_id, d.finished_at as deployment_finished_at,
    l.method, l.confidence,
    core.hours_between(i.created_at, i.resolved_at) as time_to_restore_hours,
    core.hours_between(d.finished_at, i.resolved_at) as recovery_hours
from core.incidents i
left join core.services s on (s.client_id, s.id) = (i.client_id, i.service_id)
left join core.incident_deployments l on (l.client_id, l.incident_id) = (i.client_id, i.id)
left join core.deployments d on (d.client_id, d.id) = (l.client_id, l.deployment_id);

create view report.evidence_changes with (security_invoker = true) as
select client_id, change_id, service_id, service_name, number, title, url, author, first_commit_at, opened_at,
       first_review_at, approved_at, merged_at, deployment_id, deployed_at, deployment_url, lead_time_hours,
       coding_hours, pickup_hours, review_hours, merge_to_deploy_hours, in_lead_time, exclusion_reason,
       core.display_text('hours', lead_time_hours) as lead_time_text
from core.change_evidence;

create view report.evidence_incidents with (security_invoker = true) as
select client_id, incident_id, key, title, url, severity, service_id, service_name, created_at, resolved_at,
       caused_by_deployment_id, deployment_finished_at, method, confidence, time_to_restore_hours, recovery_hours,
       core.display_text('hours', recovery_hours) as recovery_text,
       core.display_text('hours', time_to_restore_hours) as restore_text,
       case method
           when 'explicit' then 'yes, the incident names it'
           when 'fix_reverts' then 'yes, its change was undone'
           when 'linked_issue' then 'yes, by a linked issue'
           when 'time_window' then 'likely, the last one before'
       end as method_text
from core.incident_evidence;

create view report.evidence_deployments with (security_invoker = true) as
select
    d.client_id, d.id as deployment_id, d.service_id, s.name as service_name, d.environment, d.environment_tier,
    d.source, d.result, d.sha, d.ref_name, d.url, d.finished_at, d.is_baseline, d.is_rollback, d.is_rework,
    d.rework_reason,
    d.environment_tier = 'production' and d.result = 'success'
        and (d.rolled_back_by is not null or incidents.keys is not null) as failed_change,
    case
        when incidents.keys is not null then 'incident ' || incidents.keys
        when d.rolled_back_by is not null then 'rolled back'
    end as failure_reason,
    incidents.keys as incident_keys,
    coalesce(changes.n, 0) as change_count
from core.deployments d
join core.services s on (s.client_id, s.id) = (d.client_id, d.service_id)
left join lateral (
    select string_agg(i.key, ', ' order by i.created_at, i.id) as keys
    from core.incident_deployments l
    join core.incidents i on (i.client_id, i.id) = (l.client_id, l.incident_id)
    where (l.client_id, l.deployment_id) = (d.client_id, d.id)
) incidents on true
left join lateral (
    select count(*) as n from core.deployment_changes l where (l.client_id, l.deployment_id) = (d.client_id, d.id)
) changes on true;

create table core.metric_catalogue (
    metric_type   text primary key,
    metric_label  text not null,
    display_unit  text not null,
    factor        double precision not null,
    better        text not null check (better in ('higher', 'lower')),
    sort_order    integer not null
);
comment on table core.metric_catalogue is 'The metrics by name: reference data, the same for every client.';
insert into core.metric_catalogue values
    ('deployment_frequency', 'Deployment frequency', 'per day', 1, 'higher', 1),
    ('lead_time_for_changes', 'Lead time for changes', 'hours', 1, 'lower', 2),
    ('change_failure_rate', 'Change failure rate', '%', 100, 'lower', 3),
    ('failed_deployment_recovery_time', 'Failed deployment recovery time', 'hours', 1, 'lower', 4),
    ('deployment_rework_rate', 'Deployment rework rate', '%', 100, 'lower', 5),
    ('time_to_restore', 'Time to restore service', 'hours', 1, 'lower', 6);
grant select on core.metric_catalogue to pulse_etl, pulse_staff, pulse_reader;

create view report.metric_series with (security_invoker = true) as
select
    m.client_id, m.metric_type, k.metric_label, m.unit, k.display_unit, m.grain, m.scope_type, m.scope_id,
    case m.scope_type when 'client' then 'All services' else coalesce(s.name, m.scope_id) end as scope_name,
    m.period_start::timestamp as period_at, m.period_end, m.is_partial, m.metric_value,
    m.metric_value * k.factor as display_value, m.p50, m.p75, m.p90, m.numerator, m.denominator, m.sample_size,
    m.null_reason, m.tier, m.tier_year
from core.dora_metrics m
join core.metric_catalogue k on k.metric_type = m.metric_type
left join core.services s on m.scope_type = 'service' and (s.client_id, s.id) = (m.client_id, m.scope_id);

create view report.kpi_current with (security_invoker = true) as
select
    m.client_id, c.name as client_name, m.metric_type, k.metric_label, k.sort_order, m.metric_value, m.unit,
    m.metric_value * k.factor as display_value, k.display_unit, core.display_text(m.unit, m.metric_value) as display_text,
    p.metric_value as previous_value,
    case when p.metric_value <> 0 then (m.metric_value - p.metric_value) / p.metric_value end as delta_ratio,
    case
        when m.metric_value is null or p.metric_value is null then null
        when abs(m.metric_value - p.metric_value) <= 0.02 * greatest(abs(p.metric_value), 1e-9) then 'flat'
        when (m.metric_value > p.metric_value) = (k.better = 'higher') then 'better'
        else 'worse'
    end as trend,
    m.tier, case m.tier when 'elite' then 4 when 'high' then 3 when 'medium' then 2 when 'low' then 1 end as tier_rank,
    m.tier_year, m.sample_size, m.null_reason, m.period_start, m.period_end, m.definition_version, m.published_at,
    core.display_text(m.unit, p.metric_value) as previous_text, initcap(m.tier) as tier_name,
    case m.tier when 'elite' then '●●●●' when 'high' then '●●●○' when 'medium' then '●●○○' when 'low' then '●○○○' end
        as tier_dots,
    case when m.denominator is not null then m.numerator || ' of ' || m.denominator || ' deployments'
        else 'from ' || m.sample_size || ' records' end as sample_text
from core.dora_metrics m
join core.clients c on c.id = m.client_id
join core.metric_catalogue k on k.metric_type = m.metric_type
join lateral (
    select max(x.calculation_date) as day from core.dora_metrics x
    where x.client_id = m.client_id and x.metric_type = m.metric_type and x.grain = m.grain
      and x.scope_type = 'client' and x.scope_id = ''
) latest on latest.day = m.calculation_date
left join core.dora_metrics p
  on (p.client_id, p.metric_type, p.grain, p.scope_type, p.scope_id, p.calculation_date)
   = (m.client_id, m.metric_type, m.grain, m.scope_type, m.scope_id, m.period_start - 1)
where m.grain = 'rolling_30d' and m.scope_type = 'client';

create view report.lead_time_stages with (security_invoker = true) as
select
    e.client_id, g.grain, g.period_at, e.service_id, case when e.service_id is not null then min(e.service_name) end as service_name,
    x.stage, x.stage_order, percentile_cont(0.5) within group (order by x.hours) as median_hours,
    count(x.hours) as sample_size
from core.change_evidence e
join core.clients c on c.id = e.client_id
cross join lateral (
    values ('month', date_trunc('month', e.deployed_at at time zone c.time_zone)),
           ('week', date_trunc('week', e.deployed_at at time zone c.time_zone))
) g (grain, period_at)
cross join lateral (
    values ('coding', 1, e.coding_hours), ('pickup', 2, e.pickup_hours), ('review', 3, e.review_hours),
           ('merge_to_deploy', 4, e.merge_to_deploy_hours)
) x (stage, stage_order, hours)
where e.in_lead_time
group by e.client_id, g.grain, g.period_at, x.stage, x.stage_order, grouping sets ((), (e.service_id));
comment on view report.lead_time_stages is
    'Median hours of each stage of the lead time by week and month; service_id is NULL for the whole company.';

create view report.trust_panel with (security_invoker = true) as
select
    t.client_id, t.indicator,
    case t.indicator
        when 'deployments_with_changes' then 'Deployments with changes'
        when 'changes_deployed' then 'Merged changes deployed'
        when 'incidents_linked' then 'Incidents linked to a deployment'
        when 'newest_data_hours' then 'Age of the newest data'
        when 'rejected_records' then 'Records that could not be read'
        when 'negative_durations' then 'Changes with impossible times'
        else t.indicator
    end as label,
    t.detail, t.value,
    case
        when t.value is null then '—'
        when t.denominator is not null then to_char(t.value * 100, 'FM990') || ' % (' || t.numerator || ' of ' || t.denominator || ')'
        when t.indicator = 'newest_data_hours' then core.display_text('hours', t.value)
        else to_char(t.value, 'FM9999990')
    end as display_text,
    t.numerator, t.denominator, t.null_reason,
    case t.indicator
        when 'deployments_with_changes' then 1 when 'changes_deployed' then 2 when 'incidents_linked' then 3
        when 'newest_data_hours' then 4 when 'rejected_records' then 5 else 6
    end as sort_order,
    t.measured_at
from core.trust_indicators t;

create view report.freshness with (security_invoker = true) as
select
    i.client_id, i.name as integration, i.integration_type, runs.last_success_at, newest.newest_record_at,
    core.hours_between(newest.newest_record_at, now()) as age_hours, coalesce(runs.rows_rejected, 0) as rows_rejected
from core.integrations i
left join lateral (
    select max(r.finished_at) filter (where r.state = 'success') as last_success_at,
           sum(r.rows_rejected)::bigint as rows_rejected
    from core.etl_runs r where (r.client_id, r.integration_id) = (i.client_id, i.id)
) runs on true
left join lateral (
    select max(x.at) as newest_record_at
    from (
        select max(p.updated_at) from core.github_pull_requests p where (p.client_id, p.integration_id) = (i.client_id, i.id)
        union all
        select max(d.updated_at) from core.github_deployments d where (d.client_id, d.integration_id) = (i.client_id, i.id)
        union all
        select max(j.updated_at) from core.jira_issues j where (j.client_id, j.integration_id) = (i.client_id, i.id)
    ) x (at)
) newest on true
where i.active;

create table core.benchmarks (
    metric_type     text not null,
    year            integer not null,
    tier            text not null,
    lower_bound     double precision,
    upper_bound     double precision,
    published_text  text not null,
    source          text not null,
    primary key (metric_type, year, tier)
);
comment on table core.benchmarks is 'Published benchmark tables: reference data, the same for every client. Hours, per day, or ratio.';
insert into core.benchmarks values
    ('deployment_frequency', 2024, 'elite', 1, null, 'on demand (multiple deploys per day)', 'DORA 2024, p. 13'),
    ('deployment_frequency', 2024, 'high', 1.0 / 7, 1, 'between once per day and once per week', 'DORA 2024, p. 13'),
    ('deployment_frequency', 2024, 'medium', 1.0 / 30.4, 1.0 / 7, 'between once per week and once per month', 'DORA 2024, p. 13'),
    ('deployment_frequency', 2024, 'low', null, 1.0 / 30.4, 'between once per month and once every six months', 'DORA 2024, p. 13'),
    ('lead_time_for_changes', 2024, 'elite', null, 24, 'less than one day', 'DORA 2024, p. 13'),
    ('lead_time_for_changes', 2024, 'high', 24, 168, 'between one day and one week', 'DORA 2024, p. 13'),
    ('lead_time_for_changes', 2024, 'medium', 168, 730, 'between one week and one month', 'DORA 2024, p. 13'),
    ('lead_time_for_changes', 2024, 'low', 730, 4380, 'between one month and six months', 'DORA 2024, p. 13'),
    ('change_failure_rate', 2024, 'elite', null, 0.05, '5 %', 'DORA 2024, p. 13'),
    ('change_failure_rate', 2024, 'high', null, 0.20, '20 %', 'DORA 2024, p. 13'),
    ('change_failure_rate', 2024, 'medium', null, 0.10, '10 %', 'DORA 2024, p. 13'),
    ('change_failure_rate', 2024, 'low', null, 0.40, '40 %', 'DORA 2024, p. 13'),
    ('failed_deployment_recovery_time', 2024, 'elite', null, 1, 'less than one hour', 'DORA 2024, p. 13'),
    ('failed_deployment_recovery_time', 2024, 'high', 1, 24, 'less than one day', 'DORA 2024, p. 13'),
    ('failed_deployment_recovery_time', 2024, 'medium', 1, 24, 'less than one day', 'DORA 2024, p. 13'),
    ('failed_deployment_recovery_time', 2024, 'low', 168, 730, 'between one week and one month', 'DORA 2024, p. 13');
create view report.benchmarks with (security_invoker = true) as select * from core.benchmarks;
grant select on core.benchmarks to pulse_staff, pulse_reader;

grant select on core.change_evidence, core.incident_evidence to pulse_etl, pulse_staff, pulse_reader;
grant select on all tables in schema report to pulse_staff, pulse_reader;
grant select (client_id, state, started_at) on core.etl_runs to pulse_admin;
create policy admin on core.etl_runs for select to pulse_admin using (true);

-- Statistics right after a load, where the planner would else guess until autovacuum comes by (a right of its own since
-- PostgreSQL 17; older servers leave it to autovacuum).
do $$
begin
    if current_setting('server_version_num')::integer >= 170000 then
        execute 'grant maintain on all tables in schema raw, core to pulse_etl';
    end if;
end $$;
