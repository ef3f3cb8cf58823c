-- Temporary table github_commit_walks: the repositories whose head or commits were loaded since the last run.
-- Grain: one row per repository. From its head_sha, github_commit_chain.sql walks down to base_sha.
--
-- The base is the top of the first-parent chain as the last run left it: what lies below has its positions already. There
-- is no base, and the walk goes through the whole history, when that may not be so:
-- * nothing has a position yet,
-- * the parents of a commit that has one were rewritten in this run, or
-- * a parent of such a commit was missing, and may be what was loaded now. core.transform_watermarks remembers the
--   repositories in which none is missing (github_complete_histories.sql).
with loaded as (
    select distinct c.integration_id, c.scope_key
    from raw.github_commits c
    where c.loaded_xid >= current_setting('pulse.normalise_from')::xid8
), rewritten as (
    select (c.before).integration_id, (c.before).repository_id
    from commits_changed c
    where (c.before).position is not null
), touched as (
    select r.integration_id, (r.payload ->> 'databaseId')::bigint as repository_id,
           r.payload -> 'defaultBranchRef' -> 'target' ->> 'oid' as head_sha
    from raw.github_repositories r
    where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
       or (r.integration_id, r.record_id) in (select l.integration_id, l.scope_key from loaded l)
)
select t.*, base.sha as base_sha, base.position as base_position
from touched t
left join lateral (
    select c.sha, c.position
    from core.commits c
    where (c.integration_id, c.repository_id) = (t.integration_id, t.repository_id)
      and c.position is not null and c.is_first_parent
      and (t.integration_id, t.repository_id) not in (select r.integration_id, r.repository_id from rewritten r)
      and exists (
          select from core.transform_watermarks m
          where m.transform = format('github_commit_positions:%s:%s', t.integration_id, t.repository_id))
    order by c.position desc
    limit 1
) base on true
