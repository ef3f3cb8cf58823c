-- Table core.held_commits: whose changes the commits of a deployed branch have.
-- Grain: one row per deployed commit, commit of its branch, and commit whose change that one has: itself, the one it was
-- picked from, and the same change (author date and headline) on the default branch, above where the branch began.
-- Per: integration_id, repository_id, sha of select integration_id, repository_id, sha from core.deployed_branches
select integration_id, split_part(key, ':', 1)::bigint as repository_id, split_part(key, ':', 2) as sha
from queue
where fact = 'deployed_branch'
union
select b.integration_id, b.repository_id, b.sha
from queued_commits q
join core.commits g on (g.integration_id, g.repository_id, g.sha) = (q.integration_id, q.repository_id, q.sha)
join core.deployed_branch_commits b
  on (b.integration_id, b.repository_id, b.authored_at) = (g.integration_id, g.repository_id, g.authored_at)
union
select h.integration_id, h.repository_id, h.sha
from queued_commits q
join core.held_commits h on (h.integration_id, h.repository_id, h.holds_sha) = (q.integration_id, q.repository_id, q.sha)
union
select b.integration_id, b.repository_id, b.sha
from queued_commits q
join core.deployed_branches b
  on (b.integration_id, b.base_sha, b.repository_id) = (q.integration_id, q.sha, q.repository_id)
;
with branches as materialized (
    select b.integration_id, b.repository_id, b.sha, coalesce(g.position, -1) as base_position
    from touched q
    join core.deployed_branches b on (b.integration_id, b.repository_id, b.sha) = (q.integration_id, q.repository_id, q.sha)
    left join core.commits g
      on (g.integration_id, g.repository_id, g.sha) = (b.integration_id, b.repository_id, b.base_sha)
), own as materialized (
    select b.integration_id, b.repository_id, b.sha, b.base_position, c.commit_sha, c.authored_at, c.headline, c.picked_from
    from branches b
    join core.deployed_branch_commits c
      on (c.integration_id, c.repository_id, c.sha) = (b.integration_id, b.repository_id, b.sha)
), above as (
    -- one pass over a repository's history above the lowest place where a branch began
    select q.integration_id, q.repository_id, g.sha, g.position, g.authored_at, g.headline
    from (select integration_id, repository_id, min(base_position) as low from branches group by 1, 2) q
    cross join lateral (
        select * from core.commits g
        where (g.integration_id, g.repository_id) = (q.integration_id, q.repository_id) and g.position > q.low
        offset 0
    ) g
)
select integration_id, repository_id, sha, commit_sha, commit_sha as holds_sha from own
union
select integration_id, repository_id, sha, commit_sha, unnest(picked_from) from own
union
select o.integration_id, o.repository_id, o.sha, o.commit_sha, a.sha
from own o
join above a
  on (a.integration_id, a.repository_id, a.authored_at, a.headline)
   = (o.integration_id, o.repository_id, o.authored_at, o.headline) and a.position > o.base_position
