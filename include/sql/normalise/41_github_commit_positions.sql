-- core.github_commits.position: the order of the default branch's first-parent chain, walked from its head, in the
-- repositories whose head or commits were loaded since the last run. A commit off the chain gets the position of the
-- oldest chain commit that contains it. After a force push the commits that fell off the chain lose theirs.
with recursive touched as materialized (
    select r.integration_id, (r.payload ->> 'databaseId')::bigint as repository_id,
           r.payload -> 'defaultBranchRef' -> 'target' ->> 'oid' as head_sha
    from raw.github_repositories r
    where r.client_id = (select core.etl_client_id())
      and (r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
           or exists (
               select from raw.github_commits c
               where c.client_id = r.client_id and c.integration_id = r.integration_id and c.scope_key = r.record_id
                 and c.loaded_xid >= current_setting('pulse.normalise_from')::xid8))
), chain as (
    select t.integration_id, t.repository_id, c.sha, c.parent_shas, 0 as depth
    from touched t
    join core.github_commits c
      on (c.client_id, c.integration_id, c.repository_id, c.sha)
       = ((select core.etl_client_id()), t.integration_id, t.repository_id, t.head_sha)
    union all
    select c.integration_id, c.repository_id, c.sha, c.parent_shas, chain.depth + 1
    from chain
    join core.github_commits c
      on (c.client_id, c.integration_id, c.repository_id, c.sha)
       = ((select core.etl_client_id()), chain.integration_id, chain.repository_id, chain.parent_shas[1])
), positioned as materialized (
    select integration_id, repository_id, sha, parent_shas,
           count(*) over (partition by integration_id, repository_id) - depth as position
    from chain
), side as (
    select p.integration_id, p.repository_id, parent.sha, p.position
    from positioned p, unnest(p.parent_shas[2:]) as parent (sha)
    union
    select s.integration_id, s.repository_id, parent.sha, s.position
    from side s
    join core.github_commits c
      on (c.client_id, c.integration_id, c.repository_id, c.sha)
       = ((select core.etl_client_id()), s.integration_id, s.repository_id, s.sha)
    cross join unnest(c.parent_shas) as parent (sha)
    where not exists (
        select from positioned p
        where (p.integration_id, p.repository_id, p.sha) = (s.integration_id, s.repository_id, s.sha))
), wanted as (
    select integration_id, repository_id, sha, position, true as is_first_parent from positioned
    union all
    select s.integration_id, s.repository_id, s.sha, min(s.position), false
    from side s
    where not exists (
        select from positioned p
        where (p.integration_id, p.repository_id, p.sha) = (s.integration_id, s.repository_id, s.sha))
    group by 1, 2, 3
)
update core.github_commits t set position = w.position, is_first_parent = coalesce(w.is_first_parent, false)
from touched
join core.github_commits c
  on (c.client_id, c.integration_id, c.repository_id)
   = ((select core.etl_client_id()), touched.integration_id, touched.repository_id)
left join wanted w
  on (w.integration_id, w.repository_id, w.sha) = (c.integration_id, c.repository_id, c.sha)
where (t.client_id, t.integration_id, t.repository_id, t.sha)
    = (c.client_id, c.integration_id, c.repository_id, c.sha)
  and (t.position, t.is_first_parent) is distinct from (w.position, coalesce(w.is_first_parent, false));
