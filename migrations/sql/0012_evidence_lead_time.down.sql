drop view report.evidence_lead_time;
drop index core.github_pull_request_commits_sha;

create or replace view report.evidence_commits with (security_invoker = true) as
select
    c.client_id, c.id as change_id, c.service_id, c.number, c.url, k.sha, k.position, k.authored_at, k.committed_at,
    k.author_login as author, k.headline, c.merged_at, l.deployment_id, l.deployed_at
from core.changes c
join core.github_pull_request_commits k
  on (k.client_id, k.integration_id, k.pull_request_id) = (c.client_id, c.integration_id, c.pull_request_id)
left join core.deployment_changes l on (l.client_id, l.change_id) = (c.client_id, c.id);
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
comment on view report.evidence_pull_requests is
    'One row a merged change: behind size, review depth, rework cycles, unreviewed and reopened pull requests.';

-- A view's last columns go with the view; what the others mean is kept.
create temporary table described on commit drop as
select c.relname as view, a.attname as column, col_description(c.oid, a.attnum) as text
from pg_class c join pg_attribute a on a.attrelid = c.oid
where c.relnamespace = 'report'::regnamespace and c.relname in ('evidence_changes', 'evidence_deployments') and a.attnum > 0
  and a.attname not in ('merge_position', 'position', 'contains_after');
drop view report.evidence_changes, report.evidence_deployments;
create view report.evidence_changes with (security_invoker = true) as
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
comment on view report.evidence_changes is
    'One row a merged change: behind the lead time and its stages. deployment_id is NULL until it is deployed.';
create view report.evidence_deployments with (security_invoker = true) as
select
    d.client_id, d.id as deployment_id, d.service_id, s.name as service_name, d.environment, d.environment_tier,
    d.source, d.result, d.sha, d.ref_name, d.url, d.finished_at, d.is_baseline, d.is_rollback, d.is_rework,
    d.rework_reason, d.failed_change, d.failure_reason, d.incident_keys, d.change_count, d.created_at, d.rolled_back_by
from core.deployments d
join core.services s on (s.client_id, s.id) = (d.client_id, d.service_id);
comment on view report.evidence_deployments is
    'One row a completed deployment: behind deployment frequency, change failure rate and rework rate.';
grant select on report.evidence_changes, report.evidence_deployments to pulse_staff, pulse_reader;
do $$
declare
    target record;
begin
    for target in select * from described loop
        execute format('comment on column report.%I.%I is %L', target.view, target.column, target.text);
    end loop;
end $$;
comment on column report.evidence_deployments.created_at is 'Created.';
