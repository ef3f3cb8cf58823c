-- Temporary table touched_pull_requests: the pull requests that an increment reads again.
-- Grain: one row per pull request; all of them in a full run.
-- Those that were written, or whose commits were; those of a service that has changed; and reverts, whose reverted change
-- may be another now.
with written as (
    select q.integration_id, q.key::bigint as id from queue q where q.fact = 'pull_request'
    union
    select integration_id, pull_request_id from queued_own_commits
    union
    select p.integration_id, p.id
    from queued_commits q
    join core.github_pull_requests p
      on (p.integration_id, p.repository_id, p.merge_commit_sha) = (q.integration_id, q.repository_id, q.sha)
), reverted as (
    -- their numbers, and the commits by which a revert may name them
    select p.integration_id, p.repository_id, p.id, p.number, p.merge_commit_sha as sha
    from written q
    join core.github_pull_requests p on (p.integration_id, p.id) = (q.integration_id, q.id)
    union all
    select p.integration_id, p.repository_id, p.id, null, k.sha
    from written q
    join core.github_pull_requests p on (p.integration_id, p.id) = (q.integration_id, q.id)
    join core.github_pull_request_commits k on (k.integration_id, k.pull_request_id) = (p.integration_id, p.id)
)
select integration_id, id from written
union
select r.integration_id, r.id
from reverted u
join core.github_pull_requests r
  on (r.integration_id, r.repository_id, r.reverts_number) = (u.integration_id, u.repository_id, u.number)
union
select r.integration_id, r.id
from reverted u
join core.github_pull_requests r
  on (r.integration_id, r.reverts_sha, r.repository_id) = (u.integration_id, u.sha, u.repository_id)
union
select c.integration_id, c.pull_request_id
from reverted u
join live_services v on (v.integration_id, v.repository_id) = (u.integration_id, u.repository_id)
join core.changes c on c.reverts_change_id = 'gh-pr:' || u.integration_id || ':' || u.id || v.suffix
where c.pull_request_id is not null
union
select p.integration_id, p.id
from touched_services v
join core.github_pull_requests p on (p.integration_id, p.repository_id) = (v.integration_id, v.repository_id)
union
select integration_id, id from core.github_pull_requests where (select is_full from settings)
