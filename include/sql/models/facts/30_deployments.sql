-- Statements
-- wanted_deployments (temporary): one row a completed release of a service to an environment, from the source that the
-- client chose (setting dora.deployment_source) and from custom sources. finished_at is the first success, else the first
-- failure; never a later status. created_at is when it began: a run that is repeated keeps GitHub's created_at, and a
-- release's is its commit's. A commit that a merge brought has that merge's position, unless it was deployed before it: then
-- it was no part of the default branch, and has none. From the touched records only. core.deployments: those that are none
-- any more go.
create temporary table wanted_deployments on commit drop as
with completed as (
    select 'gh-deployment:' || d.integration_id || ':' || d.id as id, d.integration_id, d.repository_id, d.environment,
           'deployment' as source, d.first_success_at is not null as succeeded, d.sha, d.ref_name, d.url, d.created_at,
           coalesce(d.first_success_at, d.first_failure_at) as finished_at, null::text as service_id,
           array[d.environment, d.task, d.description, d.ref_name] as words
    from touched_deployments q
    join core.github_deployments d
      on (d.client_id, d.integration_id, d.id) = ((select core.etl_client_id()), q.integration_id, q.id)
    where q.fact = 'deployment' and (select deployment_source = 'deployments' from dora_settings) and d.deleted_at is null
      and coalesce(d.first_success_at, d.first_failure_at) is not null
    union all
    select 'gh-run:' || w.integration_id || ':' || w.id || ':' || w.run_attempt, w.integration_id, w.repository_id,
           'production', 'workflow_run', w.conclusion = 'success', w.head_sha, w.head_branch, w.url,
           coalesce(w.started_at, w.created_at), w.updated_at, null, array[w.workflow_name]
    from touched_deployments q
    join core.github_workflow_runs w
      on (w.client_id, w.integration_id, w.id, w.run_attempt)
       = ((select core.etl_client_id()), q.integration_id, q.id, q.attempt)
    join live_services v
      on (v.integration_id, v.repository_id) = (w.integration_id, w.repository_id) and v.path_pattern is null
    cross join dora_settings s
    where q.fact = 'workflow_run' and s.deployment_source = 'workflow_runs'
      and w.deleted_at is null and w.workflow_name ~* s.workflow_pattern
      and case when s.workflow_branches is not null then w.head_branch ~* s.workflow_branches
               when w.event in ('pull_request', 'pull_request_target') then false
               else w.head_branch ~* v.branches or w.event = 'release' and s.production_branches is null end
      and w.conclusion in ('success', 'failure', 'timed_out', 'startup_failure')
    union all
    select 'gh-release:' || l.integration_id || ':' || l.id, l.integration_id, l.repository_id, 'production', 'release', true,
           l.sha, l.tag_name, l.url, l.published_at, l.published_at, null, array[l.tag_name, l.name]
    from touched_deployments q
    join core.github_releases l
      on (l.client_id, l.integration_id, l.id) = ((select core.etl_client_id()), q.integration_id, q.id)
    where q.fact = 'release' and (select deployment_source = 'releases' from dora_settings) and l.deleted_at is null
      and l.published_at is not null and not l.is_prerelease
    union all
    select 'gh-merge:' || substr(c.id, strpos(c.id, ':') + 1), c.integration_id, c.repository_id, 'production', 'merge', true,
           c.merge_commit_sha, null, c.url, c.merged_at, c.merged_at, c.service_id, null
    from wanted_changes c
    where (select deployment_source = 'merges' from dora_settings) and c.id not like 'custom:%'
    union all
    -- A custom source is declared for its deployments: they count whatever else does.
    select 'custom:' || x.integration_id || ':' || x.id, x.integration_id, v.repository_id, x.environment, 'http_json',
           x.result = 'success', x.sha, x.ref_name, x.url, x.created_at, x.finished_at, v.id, null
    from touched_custom q
    join core.custom_deployments x
      on (x.client_id, x.integration_id, x.id) = ((select core.etl_client_id()), q.integration_id, q.id)
    cross join lateral (
        select v.id, v.repository_id from live_services v
        where lower(v.name) = lower(x.service) order by v.repository_id nulls last, v.id limit 1
    ) v
    where q.fact = 'custom_deployment' and x.deleted_at is null
), placed as (
    select c.*, coalesce(c.service_id, part.id, v.id) as service, v.integration_id as service_integration_id
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
select distinct on (p.id)
    (select core.etl_client_id()) as client_id, p.id, p.service as service_id, p.integration_id, p.repository_id, p.environment,
    case when p.source in ('workflow_run', 'release', 'merge')  -- chosen as deployments to production
              or p.environment ~* s.production_environments
        then 'production' else 'other' end as environment_tier,
    p.source, case when p.succeeded then 'success' else 'failure' end as result, p.sha,
    -- (a merge deploys the change that it is, and has no place in an order)
    case when p.source = 'merge' then null when v.by_time then extract(epoch from p.created_at)::bigint
         when g.is_first_parent or merge.committed_at <= p.created_at then g.position end as position,
    p.ref_name, p.url, p.created_at, p.finished_at, (p.finished_at at time zone s.time_zone)::date as finished_on
from placed p
cross join dora_settings s
left join live_services v on v.id = p.service
left join core.github_commits g
  on (g.client_id, g.integration_id, g.repository_id, g.sha)
   = ((select core.etl_client_id()), v.integration_id, p.repository_id, p.sha)
left join lateral (
    select min(m.committed_at) as committed_at from core.github_commits m
    where not g.is_first_parent and m.is_first_parent
      and (m.client_id, m.integration_id, m.repository_id, m.position) = (g.client_id, g.integration_id, g.repository_id, g.position)
) merge on true
where p.service is not null
order by p.id;
create unique index on wanted_deployments (id);
analyze wanted_deployments (id);

create temporary table gone_deployments on commit drop as
with touched as (
    select case fact when 'deployment' then 'gh-deployment:' when 'release' then 'gh-release:' else 'gh-run:' end
               || integration_id || ':' || id || coalesce(':' || attempt, '') as id
    from touched_deployments where not (select is_full from dora_settings)
    union
    select 'custom:' || integration_id || ':' || id from touched_custom
    where fact = 'custom_deployment' and not (select is_full from dora_settings)
    union
    select 'gh-merge:' || substr(id, strpos(id, ':') + 1) from gone_changes
    where not (select is_full from dora_settings)
)
select t.*
from touched q
join core.deployments t on (t.client_id, t.id) = ((select core.etl_client_id()), q.id)
where not exists (select from wanted_deployments w where w.id = t.id)
union all
select t.* from core.deployments t
where (select is_full from dora_settings) and t.client_id = (select core.etl_client_id())
  and not exists (select from wanted_deployments w where w.id = t.id);
analyze gone_deployments (id);

insert into changed_deployments
select id, service_id, environment, position, contains_after, finished_at, sha, url, ref_name from gone_deployments
where environment_tier = 'production' and result = 'success';
insert into moved
select 'deployments', service_id, finished_on, id, 'removed' from gone_deployments where environment_tier = 'production';
-- What hung on them: their changes and incidents are linked anew.
insert into relink_changes
select l.change_id from gone_deployments g
join core.deployment_changes l on (l.client_id, l.deployment_id) = ((select core.etl_client_id()), g.id);
insert into relink_incidents
select l.incident_id from gone_deployments g
join core.incident_deployments l on (l.client_id, l.deployment_id) = ((select core.etl_client_id()), g.id);
insert into moved
select 'delivery', l.service_id, l.deployed_on, l.change_id, 'changed' from gone_deployments g
join core.deployment_changes l on (l.client_id, l.deployment_id) = ((select core.etl_client_id()), g.id)
where l.exclusion_reason is null;
insert into moved
select 'recovery', i.service_id, i.resolved_on, i.id, 'changed' from gone_deployments g
join core.incident_deployments l on (l.client_id, l.deployment_id) = ((select core.etl_client_id()), g.id)
join core.incidents i on (i.client_id, i.id) = (l.client_id, l.incident_id)
where i.resolved_on is not null;
insert into changed_links
select l.change_id from gone_deployments g
join core.deployment_changes l on (l.client_id, l.deployment_id) = ((select core.etl_client_id()), g.id);
delete from core.deployment_changes t using gone_deployments g
where (t.client_id, t.deployment_id) = ((select core.etl_client_id()), g.id);
delete from core.incident_deployments t using gone_deployments g
where (t.client_id, t.deployment_id) = ((select core.etl_client_id()), g.id);
delete from core.rework_evidence t using gone_deployments g
where (t.client_id, t.deployment_id) = ((select core.etl_client_id()), g.id);
create temporary table deployments_changed on commit drop as
select t as before, null::core.deployments as after from gone_deployments g join core.deployments t on t.id = g.id;
delete from core.deployments t using gone_deployments g where (t.client_id, t.id) = ((select core.etl_client_id()), g.id);
