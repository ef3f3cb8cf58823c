-- Table core.github_workflow_runs: the runs of GitHub Actions loaded since the last run, from raw.github_workflow_runs.
-- Grain: one row per attempt of a run. updated_at of an attempt that has ended is when it ended.
select
    r.integration_id,
    (p ->> 'id')::bigint as id,
    (p ->> 'run_attempt')::integer as run_attempt,
    g.id as repository_id,
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
join core.repositories g on (g.integration_id, g.id) = (r.integration_id, r.scope_key::bigint)
cross join lateral (select r.payload as p) payload
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
