-- Temporary table direct_pushes: of the touched commits, those that reached the default branch without a pull request.
-- Grain: one row per commit.
-- On the first-parent chain, no pull request's merge, and none of the commits that a rebase put
-- there with a merge: as many as the pull request has, each with the authored date and headline of one of them.
with pushes as (
    select g.integration_id, g.repository_id, g.sha, g.position, g.authored_at, g.committed_at, g.headline,
           g.assisted_by
    from touched_pushes q
    cross join lateral (
        select * from core.commits g
        where (g.integration_id, g.repository_id, g.sha) = (q.integration_id, q.repository_id, q.sha)
        offset 0
    ) g
    where g.is_first_parent and g.position is not null
), searched as (
    -- the part of the history to look for merges in: GitHub shows up to 250 commits of a pull request
    select p.integration_id, p.repository_id, min(p.position) as low, max(p.position) + 250 as high,
           min(v.branches) as branches
    from pushes p
    join live_services v
      on (v.integration_id, v.repository_id) = (p.integration_id, p.repository_id) and v.path_pattern is null
    group by p.integration_id, p.repository_id
), merges as (
    select g.integration_id, g.repository_id, g.sha, g.position, p.id as pull_request_id,
           g.position - greatest(p.commit_count, 1) as before_position
    from searched q
    cross join lateral (
        select * from core.commits g
        where (g.integration_id, g.repository_id) = (q.integration_id, q.repository_id)
          and g.position between q.low and q.high and g.is_first_parent
        offset 0
    ) g
    cross join lateral (
        select x.id, x.commit_count from core.pull_requests x
        where (x.integration_id, x.merge_commit_sha, x.repository_id) = (g.integration_id, g.sha, g.repository_id)
          and x.merged_at is not null and x.deleted_at is null and x.base_branch ~* q.branches
        offset 0
    ) p
), rebased as (
    select m.integration_id, m.repository_id, m.before_position, m.position, k.authored_at, k.headline
    from merges m
    cross join lateral (
        select x.authored_at, x.headline from core.pull_request_commits x
        where (x.integration_id, x.pull_request_id) = (m.integration_id, m.pull_request_id)
        offset 0
    ) k
)
select p.*, v.id as service_id, v.prefix, r.url || '/commit/' || p.sha as url
from pushes p
join live_services v
  on (v.integration_id, v.repository_id) = (p.integration_id, p.repository_id) and v.path_pattern is null
 and not v.by_time
join core.repositories r on (r.integration_id, r.id) = (p.integration_id, p.repository_id)
where not exists (select from merges m
                  where (m.integration_id, m.repository_id, m.sha) = (p.integration_id, p.repository_id, p.sha))
  and not exists (
      select from core.pull_requests x
      where x.merge_commit_sha = p.sha and x.repository_id is null and x.deleted_at is null)
  and not exists (
      select from rebased b
      where (b.integration_id, b.repository_id, b.authored_at, b.headline)
          = (p.integration_id, p.repository_id, p.authored_at, p.headline)
        and p.position > b.before_position and p.position <= b.position)
