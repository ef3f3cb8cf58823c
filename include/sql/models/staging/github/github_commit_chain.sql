-- Temporary table github_commit_chain: the first-parent chain of each walked repository, from its head down to the base.
-- Grain: one row per commit, the base included. The oldest known commit of a chain has position 1.
-- Where the walk does not meet its base (after a force push, or when the head moved back), these are all commits of the
-- chain.
-- Index: (integration_id, repository_id, sha), (integration_id, repository_id, position)
with recursive chain as (
    select w.integration_id, w.repository_id, w.base_sha, w.base_position, c.sha, c.parent_shas, 0 as depth
    from github_commit_walks w
    join core.commits c
      on (c.integration_id, c.repository_id, c.sha) = (w.integration_id, w.repository_id, w.head_sha)
    union all
    select p.integration_id, p.repository_id, p.base_sha, p.base_position, c.sha, c.parent_shas, p.depth + 1
    from chain p
    cross join lateral (
        select c.sha, c.parent_shas
        from core.commits c
        where (c.integration_id, c.repository_id, c.sha) = (p.integration_id, p.repository_id, p.parent_shas[1])
        offset 0) c
    where p.sha is distinct from p.base_sha
)
select integration_id, repository_id, sha, parent_shas,
       coalesce(max(base_position) filter (where sha = base_sha) over walk - 1, 0) + count(*) over walk - depth as position
from chain
window walk as (partition by integration_id, repository_id)
