-- Commits of a change; a direct push is its own. By the index on deployed_at those of deployed changes, as
-- report.evidence_lead_time does; then those of changes that wait.
create or replace view core.change_commits with (security_invoker = true) as
select
    c.client_id, c.id as change_id, c.service_id, c.number, c.url, k.sha, k.position, k.authored_at, k.committed_at,
    k.author_login as author, k.headline, c.merged_at
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
) k;
comment on view core.change_commits is 'One row a commit of a change.';
grant select on core.change_commits to pulse_staff, pulse_reader;
create or replace view report.evidence_commits with (security_invoker = true) as
(
    select l.client_id, l.change_id, k.service_id, k.number, k.url, k.sha, k.position, k.authored_at, k.committed_at,
           k.author, k.headline, k.merged_at, l.deployment_id, l.deployed_at
    from core.deployment_changes l
    cross join lateral (
        select * from core.change_commits x where (x.client_id, x.change_id) = (l.client_id, l.change_id) offset 0
    ) k
    order by l.deployed_at desc
)
union all
select k.*, null, null
from core.change_commits k
where not exists (
    select from core.deployment_changes l where (l.client_id, l.change_id) = (k.client_id, k.change_id));
