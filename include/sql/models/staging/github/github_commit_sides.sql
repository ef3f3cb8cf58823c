-- Temporary table github_commit_sides: commits off the chain; each belongs to the oldest merge whose history contains it.
-- Grain: one row per commit that a merge of github_commit_chain brought in. position is that of the merge.
-- Index: (integration_id, repository_id, sha)
--
-- The merges of a repository are taken one after the other, oldest first, so that each commit is found once. The recursion
-- holds two kinds of rows:
-- * With a sha: a commit that the current merge may have brought; the next step gives its parents.
-- * Without: one marker per repository, at the current merge. It waits (and counts, because a recursion ends when a step
--   gives only rows it has seen) until nothing else is left to follow, and then goes on to the next merge.
-- UNION drops a commit that an older merge has brought, though its position is another: brought_by has the position as that
-- many months, less as many times 30 days. To PostgreSQL all such intervals are equal.
with recursive brought (integration_id, repository_id, is_whole, merge_position, waited, sha, brought_by) as (
    select w.integration_id, w.repository_id, base.sha is null, coalesce(base.position, 0), 0, null::text, interval '0'
    from github_commit_walks w
    left join github_commit_chain base
      on (base.integration_id, base.repository_id, base.sha) = (w.integration_id, w.repository_id, w.base_sha)
    union
    select b.integration_id, b.repository_id, b.is_whole, found.*
    from (
        select *, sha is null and count(*) over (partition by integration_id, repository_id) = 1 as goes_on
        from brought
    ) b
    cross join lateral (
        select null::bigint as merge_position, 0 as waited, parent.sha, b.brought_by
        from core.commits c
        cross join unnest(c.parent_shas) as parent (sha)
        where (c.integration_id, c.repository_id, c.sha) = (b.integration_id, b.repository_id, b.sha)
          and (b.is_whole or c.position is null)
          and not exists (
              select from github_commit_chain h
              where (h.integration_id, h.repository_id, h.sha) = (b.integration_id, b.repository_id, b.sha))
        union all
        select b.merge_position, b.waited + 1, null, b.brought_by
        where b.sha is null and not b.goes_on
        union all
        select case when parent.sha is null then merge.position end, 0, parent.sha,
               make_interval(months => merge.position::integer, days => -30 * merge.position::integer)
        from (
            select h.position, h.parent_shas
            from github_commit_chain h
            where b.goes_on
              and (h.integration_id, h.repository_id) = (b.integration_id, b.repository_id)
              and h.position > b.merge_position and cardinality(h.parent_shas) > 1
            order by h.position
            limit 1
        ) merge
        cross join unnest(array_prepend(null, merge.parent_shas[2:])) as parent (sha)
    ) found
)
select b.integration_id, b.repository_id, b.sha, c.parent_shas,
       (extract(year from b.brought_by) * 12 + extract(month from b.brought_by))::bigint as position
from brought b
cross join lateral (
    select c.parent_shas, c.position
    from core.commits c
    where (c.integration_id, c.repository_id, c.sha) = (b.integration_id, b.repository_id, b.sha)
    offset 0) c
where (b.is_whole or c.position is null)
  and not exists (
      select from github_commit_chain h
      where (h.integration_id, h.repository_id, h.sha) = (b.integration_id, b.repository_id, b.sha))
