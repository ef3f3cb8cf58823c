-- core.deployments: one row a completed release of a service to an environment, from the source that the client chose
-- (setting dora.deployment_source). finished_at is the first success, else the first failure; never a later status.
-- Flags about other rows (baseline, rollback, rework) come from 35_ and 70_.
with settings as materialized (
    select core.setting('dora.deployment_source', '"deployments"') #>> '{}' as source,
           core.setting('dora.workflow_pattern', '"deploy|release"') #>> '{}' as workflow_pattern,
           array(select jsonb_array_elements_text(
               core.setting('dora.production_environments', '["^prod(uction)?\\M"]'))) as production
), completed as (
    select d.client_id, 'gh-deployment:' || d.integration_id || ':' || d.id as id, d.integration_id, d.repository_id,
           d.environment, 'deployment' as source, d.first_success_at is not null as succeeded, d.sha, d.ref_name, d.url,
           d.created_at, coalesce(d.first_success_at, d.first_failure_at) as finished_at, null::text as service
    from core.github_deployments d, settings s
    where s.source = 'deployments' and d.client_id = (select core.etl_client_id()) and d.deleted_at is null
      and coalesce(d.first_success_at, d.first_failure_at) is not null
    union all
    select w.client_id, 'gh-run:' || w.integration_id || ':' || w.id || ':' || w.run_attempt, w.integration_id,
           w.repository_id, 'production', 'workflow_run', w.conclusion = 'success', w.head_sha, w.head_branch, w.url,
           w.created_at, w.updated_at, null
    from core.github_workflow_runs w
    cross join settings s
    join core.github_repositories r
      on (r.client_id, r.integration_id, r.id) = (w.client_id, w.integration_id, w.repository_id)
    where s.source = 'workflow_runs' and w.client_id = (select core.etl_client_id()) and w.deleted_at is null
      and w.workflow_name ~* s.workflow_pattern and w.head_branch = r.default_branch
      and w.conclusion in ('success', 'failure', 'timed_out', 'startup_failure')
    union all
    select l.client_id, 'gh-release:' || l.integration_id || ':' || l.id, l.integration_id, l.repository_id,
           'production', 'release', true, l.sha, l.tag_name, l.url, l.created_at, l.published_at, null
    from core.github_releases l, settings s
    where s.source = 'releases' and l.client_id = (select core.etl_client_id()) and l.deleted_at is null
      and l.published_at is not null and not l.is_prerelease
    union all
    select c.client_id, 'gh-merge:' || c.integration_id || ':' || c.pull_request_id, c.integration_id, c.repository_id,
           'production', 'merge', true, c.merge_commit_sha, null, c.url, c.merged_at, c.merged_at, null
    from core.changes c, settings s
    where s.source = 'merges' and c.client_id = (select core.etl_client_id()) and c.pull_request_id is not null
    union all
    -- A custom source is declared for its deployments: they count whatever else does.
    select x.client_id, 'custom:' || x.integration_id || ':' || x.id, x.integration_id, v.repository_id, x.environment,
           'http_json', x.result = 'success', x.sha, x.ref_name, x.url, x.created_at, x.finished_at, v.id
    from core.custom_deployments x
    cross join lateral (
        select v.id, v.repository_id from core.services v
        where v.client_id = x.client_id and lower(v.name) = lower(x.service)
        order by v.repository_id nulls last, v.id limit 1
    ) v
    where x.client_id = (select core.etl_client_id()) and x.deleted_at is null
), wanted as (
    select
        c.client_id, c.id, coalesce(c.service, 'gh-repo:' || c.integration_id || ':' || c.repository_id) as service_id,
        c.integration_id,
        c.environment,
        case when exists (select from unnest(s.production) pattern where c.environment ~* pattern)
            then 'production' else 'other' end as environment_tier,
        c.source, case when c.succeeded then 'success' else 'failure' end as result, c.sha,
        case when c.source = 'http_json' and c.repository_id is null then extract(epoch from c.created_at)::bigint
            else g.position end as position,
        c.ref_name,
        c.url, c.created_at, c.finished_at
    from completed c
    cross join settings s
    left join core.services v
      on (v.client_id, v.id)
       = (c.client_id, coalesce(c.service, 'gh-repo:' || c.integration_id || ':' || c.repository_id))
    left join core.github_commits g
      on (g.client_id, g.integration_id, g.repository_id, g.sha)
       = (c.client_id, v.integration_id, v.repository_id, c.sha)
)
merge into core.deployments as t
using wanted as s on (t.client_id, t.id) = (s.client_id, s.id)
when matched and row(t.service_id, t.environment, t.environment_tier, t.source, t.result, t.sha, t.position, t.ref_name,
                     t.url, t.created_at, t.finished_at)
    is distinct from row(s.service_id, s.environment, s.environment_tier, s.source, s.result, s.sha, s.position,
                         s.ref_name, s.url, s.created_at, s.finished_at) then update set
    service_id = s.service_id, environment = s.environment, environment_tier = s.environment_tier, source = s.source,
    result = s.result, sha = s.sha, position = s.position, ref_name = s.ref_name, url = s.url,
    created_at = s.created_at, finished_at = s.finished_at
when not matched then insert
    (client_id, id, service_id, integration_id, environment, environment_tier, source, result, sha, position, ref_name,
     url, created_at, finished_at)
    values (s.client_id, s.id, s.service_id, s.integration_id, s.environment, s.environment_tier, s.source, s.result,
            s.sha, s.position, s.ref_name, s.url, s.created_at, s.finished_at)
when not matched by source and t.client_id = (select core.etl_client_id()) then delete;
