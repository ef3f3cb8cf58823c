-- An incident's text may name any commit of a pull request.
create index github_pull_request_commits_sha on core.github_pull_request_commits (client_id, integration_id, sha);

-- Deployed changes in the order of their deployment, by the index on deployed_at. In report.evidence_changes, which has the
-- merged ones without a deployment too, the planner cannot know that each change of a client has one link: it takes the join
-- for a hundredth of its rows, and sorts all. Here each row is looked up from its link (offset 0), whatever it expects.
create view report.evidence_lead_time with (security_invoker = true) as
select
    l.client_id, l.change_id, l.service_id, s.name as service_name, c.number, c.title, c.url, c.author,
    c.first_commit_at, c.opened_at, c.first_review_at, c.approved_at, c.merged_at, l.deployment_id, l.deployed_at,
    d.url as deployment_url, l.lead_time_hours, c.coding_hours, c.pickup_hours, c.review_hours, l.merge_to_deploy_hours,
    l.exclusion_reason is null as in_lead_time, l.exclusion_reason,
    core.display_text('hours', l.lead_time_hours) as lead_time_text, c.is_bot, c.is_revert, c.is_hotfix,
    c.merge_commit_sha, c.reverts_change_id, c.merge_position
from core.deployment_changes l
cross join lateral (
    select x.* from core.changes x where (x.client_id, x.id) = (l.client_id, l.change_id) offset 0
) c
cross join lateral (
    select x.name from core.services x where (x.client_id, x.id) = (l.client_id, l.service_id) offset 0
) s
cross join lateral (
    select x.url from core.deployments x where (x.client_id, x.id) = (l.client_id, l.deployment_id) offset 0
) d;
comment on view report.evidence_lead_time is
    'One row a deployed change: behind the lead time and its stages. evidence_changes has those not deployed yet, too.';
grant select on report.evidence_lead_time to pulse_staff, pulse_reader;

-- Whoever wants to know why a change came with a deployment finds both positions.
create or replace view report.evidence_changes with (security_invoker = true) as
select
    c.client_id, c.id as change_id, c.service_id, s.name as service_name, c.number, c.title, c.url, c.author,
    c.first_commit_at, c.opened_at, c.first_review_at, c.approved_at, c.merged_at, l.deployment_id, l.deployed_at,
    d.url as deployment_url, l.lead_time_hours, c.coding_hours, c.pickup_hours, c.review_hours, l.merge_to_deploy_hours,
    l.deployment_id is not null and l.exclusion_reason is null as in_lead_time,
    case when l.deployment_id is null then 'not deployed' else l.exclusion_reason end as exclusion_reason,
    core.display_text('hours', l.lead_time_hours) as lead_time_text, c.is_bot, c.is_revert, c.is_hotfix,
    c.merge_commit_sha, c.reverts_change_id, c.merge_position
from core.changes c
cross join lateral (
    select x.name from core.services x where (x.client_id, x.id) = (c.client_id, c.service_id) offset 0
) s
left join core.deployment_changes l on (l.client_id, l.change_id) = (c.client_id, c.id)
left join core.deployments d on (d.client_id, d.id) = (l.client_id, l.deployment_id);
comment on column report.evidence_changes.merge_position is
    'Where the merge stands: a deployment contains the changes up to its own position.';
create or replace view report.evidence_deployments with (security_invoker = true) as
select
    d.client_id, d.id as deployment_id, d.service_id, s.name as service_name, d.environment, d.environment_tier,
    d.source, d.result, d.sha, d.ref_name, d.url, d.finished_at, d.is_baseline, d.is_rollback, d.is_rework,
    d.rework_reason, d.failed_change, d.failure_reason, d.incident_keys, d.change_count, d.created_at, d.rolled_back_by,
    d.position, d.contains_after
from core.deployments d
join core.services s on (s.client_id, s.id) = (d.client_id, d.service_id);
comment on column report.evidence_deployments.created_at is 'When it began (of a release: when it was published).';
comment on column report.evidence_deployments.position is
    'Where its commit stands on the default branch; where there is no such order, seconds at which it began.';
comment on column report.evidence_deployments.contains_after is
    'The highest position that an earlier one of its service and environment contained: it brought what lies above.';

-- What has no pull request says nothing of pull requests.
create or replace view report.evidence_pull_requests with (security_invoker = true) as
select
    c.client_id, c.id as change_id, c.service_id, s.name as service_name, c.number, c.title, c.url, c.author, c.merged_at,
    c.merged_on, c.additions + c.deletions as size_lines, c.additions, c.deletions, c.changed_files, c.commit_count,
    c.review_count + c.comment_count as review_depth, c.review_count, c.comment_count, c.changes_requested_count,
    c.is_reviewed, c.reopened_count, c.is_bot, c.is_revert, c.is_hotfix
from core.changes c
cross join lateral (
    select x.name from core.services x where (x.client_id, x.id) = (c.client_id, c.service_id) offset 0
) s
where c.pull_request_id is not null;
comment on view report.evidence_pull_requests is
    'One row a merged pull request: behind size, review depth, rework cycles, unreviewed and reopened pull requests.';

-- A direct push is its own commit.
create or replace view report.evidence_commits with (security_invoker = true) as
select
    c.client_id, c.id as change_id, c.service_id, c.number, c.url, k.sha, k.position, k.authored_at, k.committed_at,
    k.author_login as author, k.headline, c.merged_at, l.deployment_id, l.deployed_at
from core.changes c
cross join lateral (
    select x.sha, x.position, x.authored_at, x.committed_at, x.author_login, x.headline
    from core.github_pull_request_commits x
    where (x.client_id, x.integration_id, x.pull_request_id) = (c.client_id, c.integration_id, c.pull_request_id)
    union all
    select x.sha, 0, x.authored_at, x.committed_at, null, x.headline
    from core.github_commits x
    where c.id like 'gh-commit:%' and (x.client_id, x.integration_id, x.repository_id, x.sha)
        = (c.client_id, c.integration_id, c.repository_id, c.merge_commit_sha)
) k
left join core.deployment_changes l on (l.client_id, l.change_id) = (c.client_id, c.id);

-- Its columns are those of evidence_changes, and mean the same.
do $$
declare
    described record;
begin
    for described in
        select a.attname as name, col_description(a.attrelid, a.attnum) as text
        from pg_attribute a
        where a.attrelid = 'report.evidence_changes'::regclass and a.attnum > 0
    loop
        execute format('comment on column report.evidence_lead_time.%I is %L', described.name, described.text);
    end loop;
end $$;
comment on view report.evidence_changes is 'One row a merged change. deployment_id is NULL until it is deployed.';
