-- Statements
-- core.github_workflow_runs and core.github_workflow_jobs: one row an attempt of a run, one row a job, loaded since the last
-- run. updated_at of a run that ended is when it ended.
with typed as (
    select
        r.integration_id,
        (p ->> 'id')::bigint as id,
        (p ->> 'run_attempt')::integer as run_attempt,
        r.scope_key::bigint as repository_id,
        coalesce(p ->> 'name', p ->> 'path', '') as workflow_name,
        p ->> 'event' as event,
        p ->> 'head_branch' as head_branch,
        p ->> 'head_sha' as head_sha,
        p ->> 'status' as status,
        p ->> 'conclusion' as conclusion,
        p ->> 'html_url' as url,
        (p ->> 'created_at')::timestamptz as created_at,
        (p ->> 'run_started_at')::timestamptz as started_at,
        (p ->> 'updated_at')::timestamptz as updated_at,
        r.deleted_at
    from raw.github_workflow_runs r
    cross join lateral (select r.payload as p) payload
    where r.client_id = (select core.etl_client_id())
      and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
      and exists (
          select from core.github_repositories g
          where g.client_id = r.client_id and g.integration_id = r.integration_id and g.id = r.scope_key::bigint)
)
insert into core.github_workflow_runs as t
    (client_id, integration_id, id, run_attempt, repository_id, workflow_name, event, head_branch, head_sha, status,
     conclusion, url, created_at, started_at, updated_at, deleted_at)
select core.etl_client_id(), typed.* from typed
on conflict (client_id, integration_id, id, run_attempt) do update set
    repository_id = excluded.repository_id, workflow_name = excluded.workflow_name, event = excluded.event,
    head_branch = excluded.head_branch, head_sha = excluded.head_sha, status = excluded.status,
    conclusion = excluded.conclusion, url = excluded.url, created_at = excluded.created_at,
    started_at = excluded.started_at, updated_at = excluded.updated_at, deleted_at = excluded.deleted_at
where t is distinct from excluded;

with typed as (
    select
        r.integration_id,
        (p ->> 'databaseId')::bigint as id,
        (p ->> 'runId')::bigint as run_id,
        (p ->> 'runAttempt')::integer as run_attempt,
        p ->> 'name' as name,
        lower(p ->> 'status') as status,
        lower(p ->> 'conclusion') as conclusion,
        (p ->> 'startedAt')::timestamptz as started_at,
        (p ->> 'completedAt')::timestamptz as completed_at,
        r.deleted_at
    from raw.github_workflow_jobs r
    cross join lateral (select r.payload as p) payload
    join core.github_workflow_runs w
      on (w.client_id, w.integration_id, w.id, w.run_attempt)
       = (r.client_id, r.integration_id, (p ->> 'runId')::bigint, (p ->> 'runAttempt')::integer)
    where r.client_id = (select core.etl_client_id())
      and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
)
insert into core.github_workflow_jobs as t
    (client_id, integration_id, id, run_id, run_attempt, name, status, conclusion, started_at, completed_at, deleted_at)
select core.etl_client_id(), typed.* from typed
on conflict (client_id, integration_id, id) do update set
    run_id = excluded.run_id, run_attempt = excluded.run_attempt, name = excluded.name, status = excluded.status,
    conclusion = excluded.conclusion, started_at = excluded.started_at, completed_at = excluded.completed_at,
    deleted_at = excluded.deleted_at
where t is distinct from excluded;
