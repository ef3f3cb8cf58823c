-- Temporary table touched_pull_requests: the pull requests that an increment reads again.
-- Grain: one row per pull request; all of them in a full run. change_id: the id of its change (of a part: with a suffix).
-- Those that were written, or whose commits were; those of a service that has changed; reverts, whose reverted change may be
-- another now; those that others bring, or that bring others; and those in deployed branches. Those that name their service are all read again when a service comes, goes, is renamed or has
-- another production branch.
-- Index: (integration_id, id)
with written as (
    select q.integration_id, q.key::bigint as id from queue q where q.fact = 'pull_request' and q.external_id is null
    union
    select integration_id, pull_request_id from queued_own_commits
    union
    select p.integration_id, p.id
    from queued_commits q
    join core.pull_requests p
      on (p.integration_id, p.repository_id, p.merge_commit_sha) = (q.integration_id, q.repository_id, q.sha)
), branch_commits as (
    -- commits of deployed branches, whose pull requests came to production with them
    select u.integration_id, u.repository_id, u.commit_sha as sha
    from held_commits_changed c
    cross join unnest(array[c.before, c.after]) u
    where u.sha is not null
    union
    select h.integration_id, h.repository_id, h.commit_sha
    from queued_commits q
    join core.held_commits h
      on (h.integration_id, h.repository_id, h.holds_sha) = (q.integration_id, q.repository_id, q.sha)
), reverted as (
    -- their numbers, and the commits by which a revert may name them
    select p.integration_id, p.repository_id, p.id, p.number, p.merge_commit_sha as sha
    from written q
    join core.pull_requests p on (p.integration_id, p.id) = (q.integration_id, q.id)
    union all
    select p.integration_id, p.repository_id, p.id, null, k.sha
    from written q
    join core.pull_requests p on (p.integration_id, p.id) = (q.integration_id, q.id)
    join core.pull_request_commits k on (k.integration_id, k.pull_request_id) = (p.integration_id, p.id)
), touched as (
    select integration_id, id, null as external_id from written
    union
    select r.integration_id, r.id, null
    from reverted u
    join core.pull_requests r on (r.integration_id, r.reverts_number) = (u.integration_id, u.number)
    where r.repository_id = u.repository_id or r.reverts_repository is not null
    union
    select r.integration_id, r.id, null
    from reverted u
    join core.pull_requests r
      on (r.integration_id, r.reverts_sha, r.repository_id) = (u.integration_id, u.sha, u.repository_id)
    union
    select c.integration_id, c.pull_request_id, null
    from reverted u
    join live_services v on (v.integration_id, v.repository_id) = (u.integration_id, u.repository_id)
    join core.changes c
      on c.reverts_change_id = v.prefix || '-pr:' || u.integration_id || ':' || u.id || v.suffix
    where c.pull_request_id is not null
    union
    select u.integration_id, k.id, null
    from carried_pull_requests_changed c
    cross join unnest(array[c.before, c.after]) u
    cross join unnest(array[u.pull_request_id, u.carried_by]) k (id)
    where k.id is not null
    union
    select c.integration_id, c.pull_request_id, null
    from written q
    join core.carried_pull_requests c on (c.integration_id, c.carried_by) = (q.integration_id, q.id)
    union
    select p.integration_id, p.id, null
    from branch_commits b
    join core.pull_requests p
      on (p.integration_id, p.merge_commit_sha, p.repository_id) = (b.integration_id, b.sha, b.repository_id)
    union
    select k.integration_id, k.pull_request_id, null
    from branch_commits b
    join core.pull_request_commits k on (k.integration_id, k.sha) = (b.integration_id, b.sha)
    union
    -- reverts that name another repository, which may be one of these now
    select p.integration_id, p.id, null
    from core.pull_requests p
    where p.reverts_repository is not null and exists (select from touched_services)
    union
    select p.integration_id, p.id, null
    from touched_services v
    join core.pull_requests p on (p.integration_id, p.repository_id) = (v.integration_id, v.repository_id)
    union
    select q.integration_id, p.id, q.external_id
    from queue q
    left join core.pull_requests p on (p.integration_id, p.external_id) = (q.integration_id, q.external_id)
    where q.fact = 'pull_request' and q.external_id is not null
    union
    select p.integration_id, p.id, p.external_id
    from queued_commits q
    join core.pull_requests p on p.merge_commit_sha = q.sha and p.repository_id is null
    union
    select integration_id, id, external_id from core.pull_requests
    where repository_id is null and exists (select from touched_services where is_renamed)
    union
    select integration_id, id, external_id from core.pull_requests where (select is_full from settings)
)
select t.integration_id, t.id,
       s.prefix || coalesce(':' || t.integration_id || ':' || t.external_id, '-pr:' || t.integration_id || ':' || t.id)
           as change_id
from touched t
join sources s on s.integration_id = t.integration_id
