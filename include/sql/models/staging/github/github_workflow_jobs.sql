-- Table core.github_workflow_jobs: the jobs of workflow runs loaded since the last run, from raw.github_workflow_jobs.
-- Grain: one row per job of an attempt of a run.
select
    r.integration_id,
    (p ->> 'databaseId')::bigint as id,
    w.id as run_id,
    w.run_attempt,
    p ->> 'name' as name,
    lower(p ->> 'status') as status,
    lower(p ->> 'conclusion') as conclusion,
    (p ->> 'startedAt')::timestamptz as started_at,
    (p ->> 'completedAt')::timestamptz as completed_at,
    r.deleted_at
from raw.github_workflow_jobs r
cross join lateral (select r.payload as p) payload
join core.github_workflow_runs w
  on (w.integration_id, w.id, w.run_attempt)
   = (r.integration_id, (p ->> 'runId')::bigint, (p ->> 'runAttempt')::integer)
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
