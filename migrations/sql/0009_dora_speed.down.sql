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
