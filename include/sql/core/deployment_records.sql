-- One row per deployment as its source tells it: a deployment, a run of a workflow, a release, or a reported deployment.
--
-- kind, record and key: which one it is; record is a number for look-ups. succeeded and finished_at are NULL while it runs.
-- created_at is when it began: a run that is repeated keeps GitHub's created_at, and a release's is its commit's. finished_at
-- of a deployment is the first success, else the first failure, never a later status. words: what may name a part of a
-- monorepo. workflow and event: of runs.
select
    client_id, integration_id, 'deployment' as kind, id as record, id::text as key, repository_id, null as service_name,
    environment, first_success_at is not null as succeeded, sha, ref_name, url, environment_url, created_at,
    coalesce(first_success_at, first_failure_at) as finished_at, updated_at,
    array[environment, task, description, ref_name] as words, null as workflow, null as event, deleted_at
from core.github_deployments
union all
select
    client_id, integration_id, 'workflow_run', id, id || ':' || run_attempt, repository_id, null, 'production',
    case when conclusion = 'success' then true
         when conclusion in ('failure', 'timed_out', 'startup_failure') then false end,
    head_sha, head_branch, url, null, coalesce(started_at, created_at), updated_at, updated_at, array[workflow_name],
    workflow_name, event, deleted_at
from core.github_workflow_runs
union all
select
    client_id, integration_id, 'release', id, id::text, repository_id, null, 'production', not is_prerelease or null, sha,
    tag_name, url, null, published_at, published_at, null, array[tag_name, name], null, null, deleted_at
from core.github_releases
union all
select
    client_id, integration_id, 'reported_deployment', record, id, null, service, environment, result = 'success', sha,
    ref_name, url, null, created_at, finished_at, null, null, null, null, deleted_at
from core.reported_deployments;
