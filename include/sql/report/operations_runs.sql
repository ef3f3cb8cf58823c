-- One row per task that read a source in the last 30 days: how it ended, how long it took, what it read and what it asked for.
select
    r.client_id, c.name as client_name, coalesce(i.name, r.task_id) as integration, r.task_id, r.dag_run_id,
    r.started_at, to_char(r.started_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') as started, date_trunc('day', r.started_at at time zone 'UTC') as started_day,
    r.state, case r.state when 'failed' then '1 Failed' when 'deferred' then '2 Waited for its budget' when 'running' then '3 Running'
                          else '4 Succeeded' end as state_text,
    extract(epoch from r.finished_at - r.started_at)::double precision as run_seconds, r.api_calls, r.api_points, r.budget_remaining, r.rows_read,
    r.rows_written, r.rows_rejected, left(r.error, 300) as error, left(r.warnings[1], 300) as warning
from core.etl_runs r
join core.clients c on c.id = r.client_id
left join core.integrations i on (i.client_id, i.id) = (r.client_id, r.integration_id)
where r.started_at > now() - interval '30 days';
