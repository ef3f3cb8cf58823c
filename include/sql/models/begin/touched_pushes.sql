-- Temporary table touched_pushes: the commits that may be, or may have been, direct pushes to a default branch.
-- Grain: one row per commit of a repository; empty where the client does not count pushes (setting dora.direct_pushes).
-- Those that were written, those of a service that has changed, and those that a touched pull request takes out of the
-- pushes, or did.
-- Index: (integration_id, repository_id, sha)
with merges as (
    select p.integration_id, p.repository_id, m.position, p.commit_count
    from touched_pull_requests q
    join core.pull_requests p on (p.integration_id, p.id) = (q.integration_id, q.id)
    join core.commits m
      on (m.integration_id, m.repository_id, m.sha) = (p.integration_id, p.repository_id, p.merge_commit_sha)
    union
    select c.integration_id, c.repository_id, c.merge_position, c.commit_count
    from touched_pull_requests q
    join core.pull_requests p on (p.integration_id, p.id) = (q.integration_id, q.id)
    join live_services v on (v.integration_id, v.repository_id) = (p.integration_id, p.repository_id)
    join core.changes c on c.id = q.change_id || v.suffix
), elsewhere as (
    -- of pull requests without a repository

    select p.merge_commit_sha as sha
    from touched_pull_requests q
    join core.pull_requests p on (p.integration_id, p.id) = (q.integration_id, q.id)
    where p.repository_id is null
    union
    select c.merge_commit_sha
    from touched_pull_requests q
    join core.changes c on c.id = q.change_id
    where c.pull_request_id is null
), touched as (
    select g.integration_id, g.repository_id, g.sha
    from merges m
    join core.commits g
      on (g.integration_id, g.repository_id) = (m.integration_id, m.repository_id)
     and g.position between m.position - greatest(m.commit_count, 1) + 1 and m.position
    union
    select g.integration_id, g.repository_id, g.sha
    from elsewhere x
    cross join (select distinct integration_id, repository_id from live_services where repository_id is not null) r
    join core.commits g
      on (g.integration_id, g.repository_id, g.sha) = (r.integration_id, r.repository_id, x.sha)
    union
    select integration_id, repository_id, sha from queued_commits
    union
    select g.integration_id, g.repository_id, g.sha
    from touched_services v
    join core.commits g on (g.integration_id, g.repository_id) = (v.integration_id, v.repository_id)
    union
    select integration_id, repository_id, sha from core.commits where (select is_full from settings)
)
select * from touched where (select direct_pushes from settings)
