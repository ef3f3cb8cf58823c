-- For comparison: two panels in the form of Apache DevLake's PostgreSQL dashboards, over the same facts in tables of
-- DevLake's shape. Parts begin with "-- part:".

-- part: tables
create schema devlake;
create table devlake.project_mapping (project_name text, "table" text, row_id text, primary key (project_name, "table", row_id));
insert into devlake.project_mapping
select 'bench_' || s.client_id, t.kind, s.id
from core.services s cross join (values ('repos'), ('cicd_scopes')) t (kind);

create table devlake.pull_requests (id text primary key, base_repo_id text, merged_date timestamptz);
insert into devlake.pull_requests select id, service_id, merged_at from core.changes;

create table devlake.cicd_deployment_commits (
    id text primary key, cicd_deployment_id text, cicd_scope_id text, result text, environment text, finished_date timestamptz);
insert into devlake.cicd_deployment_commits
select id, id, service_id, upper(result), upper(environment_tier), finished_at from core.deployments;
create index on devlake.cicd_deployment_commits (cicd_deployment_id);
create index on devlake.cicd_deployment_commits (cicd_scope_id);
create index on devlake.cicd_deployment_commits (finished_date);

create table devlake.project_pr_metrics (
    id text, project_name text, deployment_commit_id text, pr_cycle_time bigint, primary key (id, project_name));
insert into devlake.project_pr_metrics
select l.change_id, 'bench_' || l.client_id, l.deployment_id, (l.lead_time_hours * 60)::bigint
from core.deployment_changes l where l.lead_time_hours is not null and l.deployment_id is not null;

create table devlake.incidents (id text primary key, created_date timestamptz);
insert into devlake.incidents select id, created_at from core.incidents;

create table devlake.project_incident_deployment_relationships (
    id text, project_name text, deployment_id text, primary key (id, project_name));
insert into devlake.project_incident_deployment_relationships
select incident_id, 'bench_' || client_id, deployment_id from core.incident_deployments;

create table devlake.calendar_months as
select to_char(d, 'YY/MM') as month, d as month_timestamp
from generate_series(date_trunc('month', now()) - interval '10 years', now(), '1 month') d;

-- part: lead_time
with pr_stats as (
    select distinct pr.id, to_char(c.finished_date, 'YY/MM') as month, m.pr_cycle_time
    from devlake.pull_requests pr
    join devlake.project_pr_metrics m on m.id = pr.id
    join devlake.project_mapping pm on pr.base_repo_id = pm.row_id and pm."table" = 'repos'
    join devlake.cicd_deployment_commits c on m.deployment_commit_id = c.id
    where pm.project_name in ('bench_1') and m.project_name in ('bench_1') and pr.merged_date is not null
      and m.pr_cycle_time is not null and c.finished_date between now() - interval '6 months' and now()
), ranked as (
    select *, percent_rank() over (partition by month order by pr_cycle_time) as ranks from pr_stats
), medians as (
    select month, max(pr_cycle_time) as median from ranked where ranks <= 0.5 group by month
)
select cm.month, coalesce(medians.median, 0) / 60.0 as median_change_lead_time_in_hours
from devlake.calendar_months cm
left join medians on medians.month = cm.month
where cm.month_timestamp between now() - interval '6 months' and now()
order by cm.month_timestamp;

-- part: change_failure_rate
with deployments as (
    select c.cicd_deployment_id as deployment_id, max(c.finished_date) as finished_date
    from devlake.cicd_deployment_commits c
    join devlake.project_mapping pm on c.cicd_scope_id = pm.row_id and pm."table" = 'cicd_scopes'
    where pm.project_name in ('bench_1') and c.result = 'SUCCESS' and c.environment = 'PRODUCTION'
    group by 1
    having max(c.finished_date) between now() - interval '6 months' and now()
), failures as (
    select d.deployment_id, count(distinct case when i.id is not null then d.deployment_id end) as has_incident
    from deployments d
    left join devlake.project_incident_deployment_relationships r on r.deployment_id = d.deployment_id
    left join devlake.incidents i on i.id = r.id
    group by 1
), rate as (
    select sum(has_incident)::numeric / nullif(count(deployment_id), 0) as change_failure_rate from failures
), is_collected_data as (
    -- DevLake counts all incidents times all deployments; limited here, so that it finishes.
    select case when count(i.id) = 0 and count(c.id) = 0 then 'No All'
                when count(i.id) = 0 then 'No Incidents'
                when count(c.id) = 0 then 'No Deployments' end as is_collected
    from (select 1) dummy
    left join (select id from devlake.incidents limit 5000) i on true
    left join (select id from devlake.cicd_deployment_commits limit 20000) c on true
)
select case when is_collected is not null then 'N/A: ' || is_collected
            when change_failure_rate <= 0.05 then 'elite' when change_failure_rate <= 0.10 then 'high'
            when change_failure_rate <= 0.15 then 'medium' else 'low' end as tier, change_failure_rate
from rate cross join is_collected_data;
