-- Temporary table github_commit_chain: the first-parent chain of each walked repository, from its head down to the base.
-- Grain: one row per commit, the base included. The oldest known commit of a chain has position 1.
-- Where the walk does not meet its base (after a force push, or when the head moved back), these are all commits of the
-- chain.
-- The walk ends at a commit that it has seen: an upstream that tells of a circle is wrong, and must not keep it going. UNION
-- drops such a commit though its depth is another: the depth is held as that many months, less as many times 30 days. To
-- PostgreSQL all such intervals are equal.
-- Index: (integration_id, repository_id, sha), (integration_id, repository_id, position)
with recursive chain (integration_id, repository_id, base_sha, base_position, sha, depth) as (
    select integration_id, repository_id, base_sha, base_position, head_sha, interval '0'
    from github_commit_walks
    union
    select p.integration_id, p.repository_id, p.base_sha, p.base_position, c.parent_shas[1],
           p.depth + interval '1 month -30 days'
    from chain p
    cross join lateral (
        select c.parent_shas
        from core.commits c
        where (c.integration_id, c.repository_id, c.sha) = (p.integration_id, p.repository_id, p.sha)
        offset 0) c
    where p.sha is distinct from p.base_sha and c.parent_shas[1] is not null
), found as (
    select p.*, c.parent_shas, (extract(year from p.depth) * 12 + extract(month from p.depth))::bigint as steps
    from chain p
    cross join lateral (
        select c.parent_shas
        from core.commits c
        where (c.integration_id, c.repository_id, c.sha) = (p.integration_id, p.repository_id, p.sha)
        offset 0) c
)
select integration_id, repository_id, sha, parent_shas,
       coalesce(max(base_position) filter (where sha = base_sha) over walk - 1, 0) + count(*) over walk - steps as position
from found
window walk as (partition by integration_id, repository_id)
