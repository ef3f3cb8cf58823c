-- Temporary table deployment_candidates: the deployments that the touched records describe.
-- Grain: one row per completed release of a service to an environment, from the source that the client chose (setting
-- dora.deployment_source) and from custom sources.
-- finished_at is the first success, else the first failure, never a later status. created_at is when it began: a run that is
-- repeated keeps GitHub's created_at, and a release's is its commit's. A commit that a merge brought has that merge's position,
-- unless it was deployed before it: then it was not part of the default branch, and has no position.
-- Index: (id)
with completed as (
    select 'gh-deployment:' || d.integration_id || ':' || d.id as id, d.integration_id, d.repository_id, d.environment,
           'deployment' as source, d.first_success_at is not null as succeeded, d.sha, d.ref_name, d.url, d.created_at,
           coalesce(d.first_success_at, d.first_failure_at) as finished_at, null::text as service_id,
           array[d.environment, d.task, d.description, d.ref_name] as words
    from touched_deployments q
    join core.github_deployments d on (d.integration_id, d.id) = (q.integration_id, q.id)
    where q.fact = 'deployment' and (select deployment_source = 'deployments' from settings) and d.deleted_at is null
      and coalesce(d.first_success_at, d.first_failure_at) is not null
    union all
    select 'gh-run:' || w.integration_id || ':' || w.id || ':' || w.run_attempt, w.integration_id, w.repository_id,
           'production', 'workflow_run', w.conclusion = 'success', w.head_sha, w.head_branch, w.url,
           coalesce(w.started_at, w.created_at), w.updated_at, null, array[w.workflow_name]
    from touched_deployments q
    join core.github_workflow_runs w on (w.integration_id, w.id, w.run_attempt) = (q.integration_id, q.id, q.attempt)
    join live_services v
      on (v.integration_id, v.repository_id) = (w.integration_id, w.repository_id) and v.path_pattern is null
    cross join settings s
    where q.fact = 'workflow_run' and s.deployment_source = 'workflow_runs'
      and w.deleted_at is null and w.workflow_name ~* s.workflow_pattern
      and case when s.workflow_branches is not null then w.head_branch ~* s.workflow_branches
               when w.event in ('pull_request', 'pull_request_target') then false
               else w.head_branch ~* v.branches or w.event = 'release' and s.production_branches is null end
      and w.conclusion in ('success', 'failure', 'timed_out', 'startup_failure')
    union all
    select 'gh-release:' || l.integration_id || ':' || l.id, l.integration_id, l.repository_id, 'production', 'release',
           true, l.sha, l.tag_name, l.url, l.published_at, l.published_at, null, array[l.tag_name, l.name]
    from touched_deployments q
    join core.github_releases l on (l.integration_id, l.id) = (q.integration_id, q.id)
    where q.fact = 'release' and (select deployment_source = 'releases' from settings) and l.deleted_at is null
      and l.published_at is not null and not l.is_prerelease
    union all
    select 'gh-merge:' || substr(c.id, strpos(c.id, ':') + 1), c.integration_id, c.repository_id, 'production', 'merge',
           true, c.merge_commit_sha, null, c.url, c.merged_at, c.merged_at, c.service_id, null
    from (
        select (after).id from changes_changed
        union
        select id from core.changes where (select is_full from settings)
    ) q
    join core.changes c on c.id = q.id
    where (select deployment_source = 'merges' from settings) and c.id not like 'custom:%'
    union all
    -- A custom source is declared for its deployments: they count whatever else does.
    select 'custom:' || x.integration_id || ':' || x.id, x.integration_id, v.repository_id, x.environment, 'http_json',
           x.result = 'success', x.sha, x.ref_name, x.url, x.created_at, x.finished_at, v.id, null
    from touched_custom q
    join core.custom_deployments x on (x.integration_id, x.id) = (q.integration_id, q.id)
    cross join lateral (
        select v.id, v.repository_id from live_services v
        where lower(v.name) = lower(x.service) order by v.repository_id nulls last, v.id limit 1
    ) v
    where q.fact = 'custom_deployment' and x.deleted_at is null
), placed as (
    select c.*, coalesce(c.service_id, part.id, v.id) as service
    from completed c
    left join live_services v
      on c.service_id is null and (v.integration_id, v.repository_id) = (c.integration_id, c.repository_id)
     and v.path_pattern is null
    left join lateral (
        select p.id from live_services p
        where v.has_parts and (p.integration_id, p.repository_id) = (c.integration_id, c.repository_id)
          and p.deployment_pattern is not null
          and exists (select from unnest(c.words) word where word ~* p.deployment_pattern)
        order by p.name limit 1
    ) part on true
)
select p.id, p.service as service_id, p.integration_id, p.repository_id, p.environment,
    case when p.source in ('workflow_run', 'release', 'merge')  -- chosen as deployments to production
              or p.environment ~* s.production_environments
        then 'production' else 'other' end as environment_tier,
    p.source, case when p.succeeded then 'success' else 'failure' end as result, p.sha,
    -- A merge deploys the change that it is, and has no place in an order.
    case when p.source = 'merge' then null when v.by_time then extract(epoch from p.created_at)::bigint
         when g.is_first_parent or merge.committed_at <= p.created_at then g.position end as position,
    p.ref_name, p.url, p.created_at, p.finished_at, (p.finished_at at time zone s.time_zone)::date as finished_on
from placed p
cross join settings s
left join live_services v on v.id = p.service
left join lateral (
    select * from core.github_commits g
    where (g.integration_id, g.repository_id, g.sha) = (v.integration_id, p.repository_id, p.sha)
    offset 0
) g on true
left join lateral (
    select min(m.committed_at) as committed_at from core.github_commits m
    where not g.is_first_parent and m.is_first_parent
      and (m.integration_id, m.repository_id, m.position) = (g.integration_id, g.repository_id, g.position)
) merge on true
where p.service is not null
