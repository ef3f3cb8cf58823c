-- Table core.carried_pull_requests: which pull requests brought others along.
-- Grain: one row per pull request that was merged into a branch other than production, and merged pull request among whose
-- commits is its merge commit. A production branch that is merged into another brings nothing.
-- Per: integration_id, pull_request_id of select p.integration_id, p.id as pull_request_id from live_services v join core.pull_requests p on (p.integration_id, p.repository_id) = (v.integration_id, v.repository_id) where v.path_pattern is null and p.merged_at is not null and p.base_branch !~* v.branches
with written as (
    select q.integration_id, q.key::bigint as id from queue q where q.fact = 'pull_request' and q.external_id is null
    union
    select integration_id, pull_request_id from queued_own_commits
)
select integration_id, id as pull_request_id from written
union
select x.integration_id, x.id
from written q
join core.pull_request_commits k on (k.integration_id, k.pull_request_id) = (q.integration_id, q.id)
join core.pull_requests x on (x.integration_id, x.merge_commit_sha) = (k.integration_id, k.sha)
union
select c.integration_id, c.pull_request_id
from written q
join core.carried_pull_requests c on (c.integration_id, c.carried_by) = (q.integration_id, q.id)
union
select p.integration_id, p.id
from touched_services v
join core.pull_requests p on (p.integration_id, p.repository_id) = (v.integration_id, v.repository_id)
;
select x.integration_id, x.id as pull_request_id, p.id as carried_by, x.merged_at <= p.created_at as came_first
from touched q
join core.pull_requests x on (x.integration_id, x.id) = (q.integration_id, q.pull_request_id)
join live_services v
  on (v.integration_id, v.repository_id) = (x.integration_id, x.repository_id) and v.path_pattern is null
cross join lateral (
    select p.id, p.created_at
    from core.pull_request_commits k
    join core.pull_requests p on (p.integration_id, p.id) = (k.integration_id, k.pull_request_id)
    where (k.integration_id, k.sha) = (x.integration_id, x.merge_commit_sha)
      and p.id <> x.id and p.repository_id = x.repository_id and p.merged_at is not null and p.deleted_at is null
    offset 0
) p
where x.merged_at is not null and x.deleted_at is null
  and x.base_branch !~* v.branches and x.head_branch !~* v.branches
