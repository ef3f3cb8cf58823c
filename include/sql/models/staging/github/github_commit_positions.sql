-- Statements
-- core.github_commits.position: the order of the default branch's first-parent chain, in the repositories whose head or
-- commits were loaded since the last run. The oldest known commit of the chain has 1. A commit off the chain gets the
-- position of the oldest chain commit that contains it. After a force push the commits that fell off lose theirs.
--
-- A walk goes down from the head and ends at the base, the chain's top of the last time: what lies below has its numbers.
-- It has no base, and so goes through everything, where that may not hold: nothing is numbered yet; a numbered commit was
-- rewritten just now; or a numbered commit's parent was missing, and what arrived may be it. Which repositories miss no
-- parent is remembered in core.transform_watermarks. A walk that does not meet its base (force push, head moved back)
-- goes through everything, too.
--
-- The planner cannot know how few rows a walk finds. So that it does not read the whole table on a guess, "offset 0" makes
-- it look up one row after the other; comparing client_id, which is always equal, makes it guess low; and what only a walk
-- through everything needs is an update of its own, behind a condition that is decided before any row is read.

-- 1. What to walk.
with loaded as materialized (
    select c.integration_id, c.scope_key, c.payload ->> 'oid' as sha
    from raw.github_commits c
    where c.client_id = (select core.etl_client_id())
      and c.loaded_xid >= current_setting('pulse.normalise_from')::xid8
), touched as materialized (
    select r.integration_id, (r.payload ->> 'databaseId')::bigint as repository_id,
           r.payload -> 'defaultBranchRef' -> 'target' ->> 'oid' as head_sha
    from raw.github_repositories r
    where r.client_id = (select core.etl_client_id())
      and (r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
           or (r.integration_id, r.record_id) in (select l.integration_id, l.scope_key from loaded l))
), rewritten as materialized (
    -- Of age 0 and less is what this transaction wrote: file 40 did, which writes only what differs.
    select distinct l.integration_id, l.scope_key::bigint as repository_id
    from loaded l
    cross join lateral (
        select c.position, age(c.xmin) as age
        from core.github_commits c
        where (c.client_id, c.integration_id, c.repository_id, c.sha)
            = ((select core.etl_client_id()), l.integration_id, l.scope_key::bigint, l.sha)
        offset 0) as c
    where c.position is not null and c.age <= 0
)
select set_config('pulse.commit_walks', coalesce(jsonb_agg(to_jsonb(t) || jsonb_build_object(
    'base_sha', base.sha, 'base_position', base.position)), '[]')::text, true)
from touched t
left join lateral (
    select c.sha, c.position
    from core.github_commits c
    where (c.client_id, c.integration_id, c.repository_id)
        = ((select core.etl_client_id()), t.integration_id, t.repository_id)
      and c.position is not null and c.is_first_parent
      and exists (
          select from core.transform_watermarks m
          where m.client_id = (select core.etl_client_id())
            and m.transform = format('github_commit_positions:%s:%s', t.integration_id, t.repository_id))
      and (t.integration_id, t.repository_id) not in (select w.integration_id, w.repository_id from rewritten w)
    order by c.position desc
    limit 1) as base on true;

-- 2. The chain.
with recursive walks as materialized (
    select * from jsonb_to_recordset(current_setting('pulse.commit_walks')::jsonb)
        as (integration_id bigint, repository_id bigint, head_sha text, base_sha text, base_position bigint)
), chain as (
    select w.integration_id, w.repository_id, w.base_sha, w.base_position, c.sha, c.parent_shas[1] as parent_sha, 0 as depth
    from walks w
    join core.github_commits c
      on (c.client_id, c.integration_id, c.repository_id, c.sha)
       = ((select core.etl_client_id()), w.integration_id, w.repository_id, w.head_sha)
    union all
    select p.integration_id, p.repository_id, p.base_sha, p.base_position, c.sha, c.parent_shas[1], p.depth + 1
    from chain p
    join core.github_commits c
      on (c.client_id, c.integration_id, c.repository_id, c.sha)
       = ((select core.etl_client_id()), p.integration_id, p.repository_id, p.parent_sha)
    where p.sha is distinct from p.base_sha
), positioned as materialized (
    select integration_id, repository_id, sha,
           coalesce(max(base_position) filter (where sha = base_sha) over walk - 1, 0) + count(*) over walk - depth as position
    from chain
    window walk as (partition by integration_id, repository_id)
), walked_through as materialized (
    select w.integration_id, w.repository_id
    from walks w
    where not exists (
        select from positioned p
        where (p.integration_id, p.repository_id, p.sha) = (w.integration_id, w.repository_id, w.base_sha))
), fallen_off as (
    update core.github_commits t set position = null, is_first_parent = false
    from walked_through w
    where (select count(*) from walked_through) > 0
      and (t.client_id, t.integration_id, t.repository_id)
        = ((select core.etl_client_id()), w.integration_id, w.repository_id)
      and t.is_first_parent
      and not exists (
          select from positioned p
          where (p.integration_id, p.repository_id, p.sha) = (t.integration_id, t.repository_id, t.sha))
)
update core.github_commits t set position = p.position, is_first_parent = true
from positioned p
where (t.client_id, t.integration_id, t.repository_id, t.sha)
    = ((select core.etl_client_id()), p.integration_id, p.repository_id, p.sha)
  and (t.position, t.is_first_parent) is distinct from (p.position, true);

-- 3. Which positions of the chain are new: those after its base, if the base is still on it; else all.
select set_config('pulse.commit_walks', coalesce(jsonb_agg(jsonb_build_object(
    'client_id', core.etl_client_id(), 'integration_id', w.integration_id, 'repository_id', w.repository_id,
    'extent', case when base.sha is null then 'whole' else 'top' end,
    'old_until', case when base.sha is null then 0 else w.base_position end,
    'new_until', coalesce(head.position, 0))), '[]')::text, true)
from jsonb_to_recordset(current_setting('pulse.commit_walks')::jsonb)
    as w (integration_id bigint, repository_id bigint, head_sha text, base_sha text, base_position bigint)
left join core.github_commits head
  on (head.client_id, head.integration_id, head.repository_id, head.sha)
   = ((select core.etl_client_id()), w.integration_id, w.repository_id, w.head_sha)
left join core.github_commits base
  on (base.client_id, base.integration_id, base.repository_id, base.sha)
   = ((select core.etl_client_id()), w.integration_id, w.repository_id, w.base_sha)
 and base.is_first_parent;

-- 4. The commits off the chain: merge by merge, oldest first, what the merge contains and no older one does. Of each
-- repository one row without sha stands at the current merge; it waits until that merge's commits have all been found,
-- and goes on to the next. brought_by has the merge's position as an interval of that many months, less as many times 30
-- days: such intervals are all equal, so that UNION drops a commit that an older merge has brought.
with recursive walks as materialized (
    select * from jsonb_to_recordset(current_setting('pulse.commit_walks')::jsonb) as w (
        client_id integer, integration_id bigint, repository_id bigint, extent text, old_until bigint)
), brought (client_id, integration_id, repository_id, extent, merge_position, waited, sha, brought_by) as (
    select client_id, integration_id, repository_id, extent, old_until, 0, null::text, interval '0'
    from walks
    where client_id = (select core.etl_client_id())
    union
    select b.client_id, b.integration_id, b.repository_id, b.extent, found.*
    from (
        select *, sha is null and count(*) over (partition by integration_id, repository_id) = 1 as goes_on
        from brought
    ) b
    cross join lateral (
        select null::bigint as merge_position, 0 as waited, parent.sha, b.brought_by
        from core.github_commits c
        cross join unnest(c.parent_shas) as parent (sha)
        where (c.client_id, c.integration_id, c.repository_id, c.sha)
            = ((select core.etl_client_id()), b.integration_id, b.repository_id, b.sha)
          and not c.is_first_parent and (b.extent = 'whole' or c.position is null)
        union all
        select b.merge_position, b.waited + 1, null, b.brought_by
        where b.sha is null and not b.goes_on
        union all
        select case when parent.sha is null then merge.position end, 0, parent.sha,
               make_interval(months => merge.position::integer, days => -30 * merge.position::integer)
        from (
            select c.position, c.parent_shas
            from core.github_commits c
            where b.goes_on
              and (c.client_id, c.integration_id, c.repository_id)
                = ((select core.etl_client_id()), b.integration_id, b.repository_id)
              and c.position > b.merge_position and c.is_first_parent and cardinality(c.parent_shas) > 1
            order by c.position
            limit 1
        ) merge
        cross join unnest(array_prepend(null, merge.parent_shas[2:])) as parent (sha)
    ) found
), side as materialized (
    select b.integration_id, b.repository_id, b.sha,
           (extract(year from b.brought_by) * 12 + extract(month from b.brought_by))::bigint as position
    from brought b
    cross join lateral (
        select c.position, c.is_first_parent
        from core.github_commits c
        where (c.client_id, c.integration_id, c.repository_id, c.sha)
            = ((select core.etl_client_id()), b.integration_id, b.repository_id, b.sha)
        offset 0) as c
    where b.client_id = (select core.etl_client_id())
      and not c.is_first_parent and (b.extent = 'whole' or c.position is null)
), left_behind as (
    update core.github_commits t set position = null
    from walks w
    where (select count(*) from walks where extent = 'whole') > 0
      and w.extent = 'whole'
      and (t.client_id, t.integration_id, t.repository_id)
        = ((select core.etl_client_id()), w.integration_id, w.repository_id)
      and not t.is_first_parent and t.position is not null
      and not exists (
          select from side s
          where (s.integration_id, s.repository_id, s.sha) = (t.integration_id, t.repository_id, t.sha))
)
update core.github_commits t set position = s.position
from side s
where (t.client_id, t.integration_id, t.repository_id, t.sha)
    = ((select core.etl_client_id()), s.integration_id, s.repository_id, s.sha)
  and t.position is distinct from s.position;

-- 5. Which repositories miss no parent.
with walks as materialized (
    select w.*, format('github_commit_positions:%s:%s', w.integration_id, w.repository_id) as transform
    from jsonb_to_recordset(current_setting('pulse.commit_walks')::jsonb) as w (
        client_id integer, integration_id bigint, repository_id bigint, old_until bigint, new_until bigint)
    where w.client_id = (select core.etl_client_id())
), with_gaps as materialized (
    select distinct w.transform
    from walks w
    cross join lateral (
        select parent.sha
        from core.github_commits c
        cross join unnest(c.parent_shas) as parent (sha)
        where (c.client_id, c.integration_id, c.repository_id)
            = ((select core.etl_client_id()), w.integration_id, w.repository_id)
          and c.position > w.old_until and c.position <= w.new_until
        offset 0) as parent
    where not exists (
        select from core.github_commits p
        where (p.client_id, p.integration_id, p.repository_id, p.sha)
            = ((select core.etl_client_id()), w.integration_id, w.repository_id, parent.sha)
        offset 0)
), forgotten as (
    delete from core.transform_watermarks m using with_gaps g
    where (m.client_id, m.transform) = ((select core.etl_client_id()), g.transform)
)
insert into core.transform_watermarks (client_id, transform, loaded_xid)
select (select core.etl_client_id()), w.transform, current_setting('pulse.normalise_next')::xid8
from walks w
where w.transform not in (select g.transform from with_gaps g)
on conflict (client_id, transform) do nothing;
