-- Columns of core.commits: the order of the default branch, as far as the commits loaded since the last run move it.
-- Grain: one row per commit of a walked repository (github_commit_walks.sql) that has, or had, a place in the order.
--
-- A commit of the first-parent chain has its number in it. A commit off the chain has the position of the oldest commit of
-- the chain that contains it. After a force push the commits that fell off have none.
select c.integration_id, c.repository_id, c.sha, c.position, true as is_first_parent
from github_commit_chain c
union all
select s.integration_id, s.repository_id, s.sha, s.position, false
from github_commit_sides s
union all
select w.integration_id, w.repository_id, fell_off.sha, null, false
from github_commit_walks w
left join github_commit_chain base
  on (base.integration_id, base.repository_id, base.sha) = (w.integration_id, w.repository_id, w.base_sha)
cross join lateral (
    select c.sha
    from core.commits c
    where (c.integration_id, c.repository_id) = (w.integration_id, w.repository_id)
      and c.position is not null
      and base.sha is null  -- the walk went through the whole history
      and not exists (
          select from github_commit_chain h
          where (h.integration_id, h.repository_id, h.sha) = (c.integration_id, c.repository_id, c.sha))
      and not exists (
          select from github_commit_sides s
          where (s.integration_id, s.repository_id, s.sha) = (c.integration_id, c.repository_id, c.sha))
    offset 0) fell_off
