-- Temporary table touched_deployments: the source's records of deployments that an increment reads again.
-- Grain: one row per deployment, attempt of a workflow run, or release (fact); all of them in a full run.
-- Those that were written, those of a commit whose place in the history has moved, and those of a service that has changed.
-- Index: (fact, integration_id, id)
with records as not materialized (
    select 'deployment' as fact, 'deployments' as source, integration_id, id, null::integer as attempt, repository_id, sha
    from core.github_deployments
    union all
    select 'workflow_run', 'workflow_runs', integration_id, id, run_attempt, repository_id, head_sha
    from core.github_workflow_runs
    union all
    select 'release', 'releases', integration_id, id, null, repository_id, sha from core.github_releases
)
select fact, integration_id, split_part(key, ':', 1)::bigint as id, nullif(split_part(key, ':', 2), '')::integer as attempt
from queue
where fact in ('deployment', 'workflow_run', 'release')
union
select r.fact, r.integration_id, r.id, r.attempt
from moved_commits q
join records r on (r.integration_id, r.repository_id, r.sha) = (q.integration_id, q.repository_id, q.sha)
union
select r.fact, r.integration_id, r.id, r.attempt
from touched_services v
join records r on (r.integration_id, r.repository_id) = (v.integration_id, v.repository_id)
union
select fact, integration_id, id, attempt from records
where (select is_full from settings) and source = (select deployment_source from settings)
