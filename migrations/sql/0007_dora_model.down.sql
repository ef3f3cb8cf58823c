-- Back to the model that computes a client as a whole. The views and reference tables of 0005 are made again by its own file,
-- which 0007_dora_model.py runs after this one.
drop view report.benchmarks, report.trust_panel, report.quality_checks, report.publications, report.restatements,
    report.metrics_as_reported, report.lead_time_stages, report.kpi_current, report.metric_series, report.evidence_rework,
    report.evidence_incidents, report.evidence_deployments, report.evidence_pull_requests, report.evidence_commits,
    report.evidence_changes, report.freshness;
drop table core.benchmarks, core.metric_catalogue, core.quality_results, core.dora_restatements, core.dora_metric_history,
    core.dora_publications, core.dora_definitions, core.dora_scopes, core.dora_state, core.client_calendar,
    core.rework_evidence, core.incident_references, core.change_references;
drop function core.elapsed_hours(timestamptz, timestamptz, boolean), core.worked_hours(timestamptz),
    core.display_text(text, double precision), core.hours_between(timestamptz, timestamptz), core.search_pattern(text);

do $$
declare
    source regclass;
begin
    for source in select tgrelid from pg_trigger where tgname = 'dora_insert' loop
        execute format('drop trigger dora_insert on %1$s; drop trigger dora_update on %1$s; drop trigger dora_delete on %1$s', source);
    end loop;
end $$;
drop function core.enqueue_dora();
drop table core.dora_queue;

drop index core.jira_issues_updated, core.github_deployments_updated,
    core.github_pull_requests_updated, core.custom_changes_service, core.custom_incidents_service,
    core.custom_deployments_service, core.custom_changes_sha, core.custom_deployments_sha, core.github_releases_sha,
    core.github_workflow_runs_sha, core.github_deployments_sha, core.github_pull_requests_reverts,
    core.github_pull_requests_number;
delete from core.dora_metrics;
alter table core.dora_metrics drop column family,
    add constraint dora_metrics_client_id_fkey foreign key (client_id) references core.clients (id),
    drop constraint dora_metrics_unit_check,
    add constraint dora_metrics_unit_check check (unit in ('per_day', 'days_per_week', 'hours', 'ratio'));
delete from core.incident_deployments where method = 'fix_version';
alter table core.incident_deployments drop column recovery_hours, drop constraint incident_deployments_method_check,
    add constraint incident_deployments_method_check
        check (method in ('explicit', 'fix_reverts', 'linked_issue', 'time_window'));
drop index core.incidents_service_resolved, core.incidents_resolved, core.incidents_service;
alter table core.incidents drop column resolved_on, drop column time_to_restore_hours, drop column is_external;
drop index core.deployment_changes_latest, core.deployment_changes_negative, core.deployment_changes_service,
    core.deployment_changes_deployed;
alter table core.deployment_changes drop column service_id, drop column deployed_at, drop column deployed_on,
    drop column lead_time_hours, drop column coding_hours, drop column pickup_hours, drop column review_hours,
    drop column merge_to_deploy_hours, drop column exclusion_reason;
delete from core.deployment_changes;
alter table core.deployment_changes
    add constraint deployment_changes_client_id_deployment_id_fkey foreign key (client_id, deployment_id)
        references core.deployments (client_id, id) on delete cascade,
    add constraint deployment_changes_client_id_change_id_fkey foreign key (client_id, change_id)
        references core.changes (client_id, id) on delete cascade;
alter table core.deployments reset (fillfactor);
drop index core.deployments_latest, core.deployments_ref, core.deployments_url, core.deployments_sha,
    core.deployments_position, core.deployments_order, core.deployments_service_finished, core.deployments_finished;
alter table core.deployments drop column repository_id, drop column finished_on, drop column contains_after,
    drop column failed_change, drop column failure_reason, drop column change_count, drop column incident_keys;
create index deployments_finished on core.deployments (client_id, environment_tier, finished_at);
drop index core.changes_undone, core.changes_sha, core.changes_url, core.changes_pull_request, core.changes_position,
    core.changes_service_merged, core.changes_merged;
alter table core.changes drop column head_branch, drop column merged_on, drop column comment_count,
    drop column changes_requested_count, drop column reopened_count, drop column is_reviewed, drop column coding_hours,
    drop column pickup_hours, drop column review_hours;
create index changes_merged on core.changes (client_id, merged_at);
comment on column core.services.path_pattern is null;
alter table core.services drop column production_branch, drop column deployment_pattern;

create table core.trust_indicators (
    client_id    integer not null references core.clients (id),
    indicator    text not null,
    detail       text not null default '',
    value        double precision,
    numerator    bigint,
    denominator  bigint,
    null_reason  text,
    measured_at  timestamptz not null default now(),
    primary key (client_id, indicator, detail)
);
select core.protect_table('core.trust_indicators', etl => true, staff => true, reader => true);
drop policy admin on core.etl_runs;
