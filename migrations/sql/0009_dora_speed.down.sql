drop index core.changes_merged;
create index changes_merged on core.changes (client_id, merged_on);
create or replace view report.evidence_pull_requests with (security_invoker = true) as
select
    c.client_id, c.id as change_id, c.service_id, s.name as service_name, c.number, c.title, c.url, c.author, c.merged_at,
    c.merged_on, c.additions + c.deletions as size_lines, c.additions, c.deletions, c.changed_files, c.commit_count,
    c.review_count + c.comment_count as review_depth, c.review_count, c.comment_count, c.changes_requested_count,
    c.is_reviewed, c.reopened_count, c.is_bot, c.is_revert, c.is_hotfix
from core.changes c
join core.services s on (s.client_id, s.id) = (c.client_id, c.service_id);
create or replace view report.evidence_changes with (security_invoker = true) as
select
    c.client_id, c.id as change_id, c.service_id, s.name as service_name, c.number, c.title, c.url, c.author,
    c.first_commit_at, c.opened_at, c.first_review_at, c.approved_at, c.merged_at, l.deployment_id, l.deployed_at,
    d.url as deployment_url, l.lead_time_hours, c.coding_hours, c.pickup_hours, c.review_hours, l.merge_to_deploy_hours,
    l.deployment_id is not null and l.exclusion_reason is null as in_lead_time,
    case when l.deployment_id is null then 'not deployed' else l.exclusion_reason end as exclusion_reason,
    core.display_text('hours', l.lead_time_hours) as lead_time_text, c.is_bot, c.is_revert, c.is_hotfix,
    c.merge_commit_sha, c.reverts_change_id
from core.changes c
join core.services s on (s.client_id, s.id) = (c.client_id, c.service_id)
left join core.deployment_changes l on (l.client_id, l.change_id) = (c.client_id, c.id)
left join core.deployments d on (d.client_id, d.id) = (l.client_id, l.deployment_id);
drop index core.custom_deployments_service, core.custom_incidents_service, core.custom_changes_service;
alter table core.custom_deployments drop column service_key;
alter table core.custom_incidents drop column service_key;
alter table core.custom_changes drop column service_key;
create index custom_deployments_service on core.custom_deployments (client_id, lower(service), service) where deleted_at is null;
create index custom_incidents_service on core.custom_incidents (client_id, lower(service), service) where deleted_at is null;
create index custom_changes_service on core.custom_changes (client_id, lower(service), service) where deleted_at is null;
drop index core.github_pull_requests_merge, core.github_pull_requests_number, core.github_pull_requests_reverts,
    core.github_deployments_sha, core.github_workflow_runs_sha, core.github_releases_sha, core.github_commits_position;
create index github_pull_requests_merge on core.github_pull_requests (client_id, integration_id, repository_id, merge_commit_sha);
create index github_pull_requests_number on core.github_pull_requests (client_id, integration_id, repository_id, number);
create index github_pull_requests_reverts on core.github_pull_requests (client_id, integration_id, repository_id, reverts_number)
    where reverts_number is not null;
create index github_deployments_sha on core.github_deployments (client_id, integration_id, repository_id, sha);
create index github_workflow_runs_sha on core.github_workflow_runs (client_id, integration_id, repository_id, head_sha);
create index github_releases_sha on core.github_releases (client_id, integration_id, repository_id, sha);
create index github_commits_position on core.github_commits (client_id, integration_id, repository_id, position);
alter table core.deployments set (fillfactor = 70);
create index deployments_position on core.deployments (client_id, service_id, environment, position)
    where contains_after < position;
create index changes_pull_request on core.changes (client_id, integration_id, pull_request_id);
alter table core.change_references add constraint change_references_client_id_change_id_fkey
    foreign key (client_id, change_id) references core.changes (client_id, id) on delete cascade;
alter table core.deployments add constraint deployments_client_id_service_id_fkey
    foreign key (client_id, service_id) references core.services (client_id, id);
alter table core.changes add constraint changes_client_id_service_id_fkey
    foreign key (client_id, service_id) references core.services (client_id, id);
alter table core.dora_metrics
    drop constraint dora_metrics_pkey,
    add constraint dora_metrics_pkey primary key (client_id, id),
    add constraint dora_metrics_client_id_metric_type_grain_scope_type_scope_i_key
        unique (client_id, metric_type, grain, scope_type, scope_id, calculation_date);
