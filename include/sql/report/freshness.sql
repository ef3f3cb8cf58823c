-- One row per active integration: when it was last read, and how old its newest record is.
select
    i.client_id, i.name as integration, i.integration_type, runs.last_success_at, newest.newest_record_at,
    core.hours_between(newest.newest_record_at, now()) as age_hours, coalesce(runs.rows_rejected, 0) as rows_rejected
from core.integrations i
left join lateral (
    select max(r.finished_at) filter (where r.state = 'success') as last_success_at,
           sum(r.rows_rejected)::bigint as rows_rejected
    from core.etl_runs r where (r.client_id, r.integration_id) = (i.client_id, i.id)
) runs on true
left join lateral (
    select max(x.at) as newest_record_at
    from (
        select max(p.updated_at) from core.pull_requests p where (p.client_id, p.integration_id) = (i.client_id, i.id)
        union all
        select max(d.updated_at) from core.deployment_records d
        where d.kind = 'deployment' and (d.client_id, d.integration_id) = (i.client_id, i.id)
        union all
        select max(j.updated_at) from core.issues j where (j.client_id, j.integration_id) = (i.client_id, i.id)
    ) x (at)
) newest on true
where i.active;
