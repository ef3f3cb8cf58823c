-- What the dora stage writes for each change and each number costs once at the primary and once more at the replica: no key
-- that nothing looks up, no look-up and lock of a parent row for each child.

-- A number is known by what it is of; its id stays, without an index of its own.
alter table core.dora_metrics
    drop constraint dora_metrics_pkey,
    drop constraint dora_metrics_client_id_metric_type_grain_scope_type_scope_i_key,
    add primary key (client_id, metric_type, grain, scope_type, scope_id, calculation_date);

-- The stage is the only writer of these: it has just read the service, and takes the references of a change away before it.
alter table core.changes drop constraint changes_client_id_service_id_fkey;
alter table core.deployments drop constraint deployments_client_id_service_id_fkey;
alter table core.change_references drop constraint change_references_client_id_change_id_fkey;
-- A change's id is made of its pull request's; what a deployment brought is looked up in the stage's own copy.
drop index core.changes_pull_request, core.deployments_position;

-- Every successful deployment gets its flags after its changes are linked: leave room to write them in place.
alter table core.deployments set (fillfactor = 50);

-- Look-ups by a repository and something of it. client_id and integration_id say nothing more than repository_id, which the
-- planner cannot know: where two indexes begin with the same three columns, it takes either for the fourth. So what tells
-- one row from another comes before the repository, and positions have an index of their own.
drop index core.github_pull_requests_merge, core.github_pull_requests_number, core.github_pull_requests_reverts,
    core.github_deployments_sha, core.github_workflow_runs_sha, core.github_releases_sha, core.github_commits_position;
create index github_pull_requests_merge on core.github_pull_requests
    (client_id, integration_id, merge_commit_sha, repository_id);
create index github_pull_requests_number on core.github_pull_requests (client_id, integration_id, number, repository_id);
create index github_pull_requests_reverts on core.github_pull_requests
    (client_id, integration_id, reverts_number, repository_id) where reverts_number is not null;
create index github_deployments_sha on core.github_deployments (client_id, integration_id, sha, repository_id);
create index github_workflow_runs_sha on core.github_workflow_runs (client_id, integration_id, head_sha, repository_id);
create index github_releases_sha on core.github_releases (client_id, integration_id, sha, repository_id);
create index github_commits_position on core.github_commits (client_id, integration_id, repository_id, position)
    where position is not null;

-- lower() is not leak-proof: under row-level security no index on it is ever used. A column of its own is.
drop index core.custom_deployments_service, core.custom_incidents_service, core.custom_changes_service;
alter table core.custom_deployments add column service_key text not null generated always as (lower(service)) stored;
alter table core.custom_incidents add column service_key text not null generated always as (lower(service)) stored;
alter table core.custom_changes add column service_key text not null generated always as (lower(service)) stored;
comment on column core.custom_deployments.service_key is 'The service as it is looked up.';
comment on column core.custom_incidents.service_key is 'The service as it is looked up.';
comment on column core.custom_changes.service_key is 'The service as it is looked up.';
create index custom_deployments_service on core.custom_deployments (client_id, service_key, service) where deleted_at is null;
create index custom_incidents_service on core.custom_incidents (client_id, service_key, service) where deleted_at is null;
create index custom_changes_service on core.custom_changes (client_id, service_key, service) where deleted_at is null;

-- The latest changes, by the indexes on deployed_at and merged_at: the service's name is looked up for each (offset 0). Joined, the planner
-- begins with the few services, and sorts all changes of the client.
drop index core.changes_merged;
create index changes_merged on core.changes (client_id, merged_at);
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
cross join lateral (
    select x.name from core.services x where (x.client_id, x.id) = (c.client_id, c.service_id) offset 0
) s
left join core.deployment_changes l on (l.client_id, l.change_id) = (c.client_id, c.id)
left join core.deployments d on (d.client_id, d.id) = (l.client_id, l.deployment_id);

create or replace view report.evidence_pull_requests with (security_invoker = true) as
select
    c.client_id, c.id as change_id, c.service_id, s.name as service_name, c.number, c.title, c.url, c.author, c.merged_at,
    c.merged_on, c.additions + c.deletions as size_lines, c.additions, c.deletions, c.changed_files, c.commit_count,
    c.review_count + c.comment_count as review_depth, c.review_count, c.comment_count, c.changes_requested_count,
    c.is_reviewed, c.reopened_count, c.is_bot, c.is_revert, c.is_hotfix
from core.changes c
cross join lateral (
    select x.name from core.services x where (x.client_id, x.id) = (c.client_id, c.service_id) offset 0
) s;
