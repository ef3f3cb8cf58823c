-- Statements
-- wanted_pushes (temporary): where the client counts them (setting dora.direct_pushes), one row a commit that was pushed to
-- the default branch without a pull request: on the first-parent chain, no pull request's merge, no custom source's change,
-- and none of the commits that a rebase put there with a merge (as many as the pull request has; a commit of it has the same
-- authored date and headline). touched_pushes: those to look at, whether or not they are such.
create temporary table touched_pushes on commit drop as
with merges as (
    -- a pull request takes its merge, and what was rebased with it, out of the pushes
    select p.integration_id, p.repository_id, m.position, p.commit_count
    from touched_pull_requests q
    join core.github_pull_requests p
      on (p.client_id, p.integration_id, p.id) = ((select core.etl_client_id()), q.integration_id, q.id)
    join core.github_commits m
      on (m.client_id, m.integration_id, m.repository_id, m.sha)
       = ((select core.etl_client_id()), p.integration_id, p.repository_id, p.merge_commit_sha)
    union
    select c.integration_id, c.repository_id, c.merge_position, c.commit_count
    from touched_pull_requests q
    join core.github_pull_requests p
      on (p.client_id, p.integration_id, p.id) = ((select core.etl_client_id()), q.integration_id, q.id)
    join live_services v on (v.integration_id, v.repository_id) = (p.integration_id, p.repository_id)
    join core.changes c
      on (c.client_id, c.id) = ((select core.etl_client_id()), 'gh-pr:' || q.integration_id || ':' || q.id || v.suffix)
), custom as (
    -- what a custom source's changes are merged as, or were
    select x.merge_sha as sha
    from touched_custom q
    join core.custom_changes x on (x.client_id, x.integration_id, x.id) = ((select core.etl_client_id()), q.integration_id, q.id)
    where q.fact = 'custom_change' and x.merge_sha is not null
    union
    select c.merge_commit_sha
    from touched_custom q
    join core.changes c on (c.client_id, c.id) = ((select core.etl_client_id()), 'custom:' || q.integration_id || ':' || q.id)
    where q.fact = 'custom_change' and c.merge_commit_sha is not null
), touched as (
    select g.integration_id, g.repository_id, g.sha
    from merges m
    join core.github_commits g
      on (g.client_id, g.integration_id, g.repository_id) = ((select core.etl_client_id()), m.integration_id, m.repository_id)
     and g.position between m.position - greatest(m.commit_count, 1) + 1 and m.position
    union
    select g.integration_id, g.repository_id, g.sha
    from custom x
    cross join (select distinct integration_id, repository_id from live_services where repository_id is not null) r
    join core.github_commits g
      on (g.client_id, g.integration_id, g.repository_id, g.sha)
       = ((select core.etl_client_id()), r.integration_id, r.repository_id, x.sha)
    union
    select integration_id, repository_id, sha from taken_commits
    union
    select g.integration_id, g.repository_id, g.sha
    from touched_services v
    join core.github_commits g
      on (g.client_id, g.integration_id, g.repository_id) = ((select core.etl_client_id()), v.integration_id, v.repository_id)
    where not (select is_full from dora_settings)
    union
    select integration_id, repository_id, sha from core.github_commits
    where (select is_full from dora_settings) and client_id = (select core.etl_client_id())
)
select * from touched where (select direct_pushes from dora_settings);
create index on touched_pushes (integration_id, repository_id, sha);
analyze touched_pushes;

create temporary table wanted_pushes on commit drop as
with pushes as (
    select g.integration_id, g.repository_id, g.sha, g.position, g.authored_at, g.committed_at, g.headline
    from touched_pushes q
    cross join lateral (
        select * from core.github_commits g
        where (g.client_id, g.integration_id, g.repository_id, g.sha)
            = ((select core.etl_client_id()), q.integration_id, q.repository_id, q.sha)
        offset 0
    ) g
    where g.is_first_parent and g.position is not null
), merges as (
    -- the pull requests merged in that part of the history, or above it by as many commits as GitHub shows of one
    select g.integration_id, g.repository_id, g.sha, g.position, p.id as pull_request_id,
           g.position - greatest(p.commit_count, 1) as before_position
    from (
        select p.integration_id, p.repository_id, min(p.position) as low, max(p.position) + 250 as high,
               min(v.branches) as branches
        from pushes p
        join live_services v
          on (v.integration_id, v.repository_id) = (p.integration_id, p.repository_id) and v.path_pattern is null
        group by p.integration_id, p.repository_id
    ) q
    cross join lateral (
        select * from core.github_commits g
        where (g.client_id, g.integration_id, g.repository_id)
            = ((select core.etl_client_id()), q.integration_id, q.repository_id)
          and g.position between q.low and q.high and g.is_first_parent
        offset 0
    ) g
    cross join lateral (
        select x.id, x.commit_count from core.github_pull_requests x
        where (x.client_id, x.integration_id, x.merge_commit_sha, x.repository_id)
            = ((select core.etl_client_id()), g.integration_id, g.sha, g.repository_id)
          and x.merged_at is not null and x.deleted_at is null and x.base_branch ~* q.branches
        offset 0
    ) p
), rebased as (
    select m.integration_id, m.repository_id, m.before_position, m.position, k.authored_at, k.headline
    from merges m
    cross join lateral (
        select x.authored_at, x.headline from core.github_pull_request_commits x
        where (x.client_id, x.integration_id, x.pull_request_id)
            = ((select core.etl_client_id()), m.integration_id, m.pull_request_id)
        offset 0
    ) k
)
select p.integration_id, p.repository_id, p.sha, p.position, p.authored_at, p.committed_at, p.headline, v.id as service_id,
       r.url || '/commit/' || p.sha as url
from pushes p
join live_services v
  on (v.integration_id, v.repository_id) = (p.integration_id, p.repository_id) and v.path_pattern is null and not v.by_time
join core.github_repositories r
  on (r.client_id, r.integration_id, r.id) = ((select core.etl_client_id()), p.integration_id, p.repository_id)
where not exists (select from merges m
                  where (m.integration_id, m.repository_id, m.sha) = (p.integration_id, p.repository_id, p.sha))
  and not exists (
      select from core.custom_changes x
      where (x.client_id, x.merge_sha) = ((select core.etl_client_id()), p.sha) and x.deleted_at is null)
  and not exists (
      select from rebased b
      where (b.integration_id, b.repository_id, b.authored_at, b.headline)
          = (p.integration_id, p.repository_id, p.authored_at, p.headline)
        and p.position > b.before_position and p.position <= b.position);
analyze wanted_pushes;
