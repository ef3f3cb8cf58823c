-- One row per active integration: when it was last read, how old its newest record is, and whether reading it works.
--
-- failing: attempts have failed, and none went well for 15 minutes before (one repository of many does not make a source fail).
-- late: not read for 26 hours.
select
    i.client_id, i.name as integration, i.integration_type, runs.last_success_at, newest.newest_record_at,
    core.hours_between(newest.newest_record_at, now()) as age_hours, coalesce(runs.rows_rejected, 0) as rows_rejected,
    s.status,
    case s.status
        when 'never' then core.say('not read yet')
        when 'ok' then format(core.say('read %s'), m.last_success_text)
        else case when runs.last_success_at is not null then format(core.say('not read since %s'), m.last_success_text)
                  else core.say('could not be read yet') end end as status_text,
    case when newest.newest_record_at is null then core.say('no record yet') else
        format(core.say('newest record %s'),
               core.day_text((newest.newest_record_at at time zone c.time_zone)::date)
               || to_char(newest.newest_record_at at time zone c.time_zone, ', HH24:MI')) end as newest_text,
    m.last_success_text
from core.integrations i
join core.clients c on c.id = i.client_id
left join lateral (
    select max(r.finished_at) filter (where r.state = 'success') as last_success_at,
           max(r.finished_at) filter (where r.state = 'failed') as last_failure_at,
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
cross join lateral (
    select case when runs.last_failure_at > coalesce(runs.last_success_at + interval '15 minutes', '-infinity') then 'failing'
                when runs.last_success_at is null then 'never'
                when runs.last_success_at < now() - interval '26 hours' then 'late' else 'ok' end as status
) s
cross join lateral (
    select core.day_text((runs.last_success_at at time zone c.time_zone)::date)
           || to_char(runs.last_success_at at time zone c.time_zone, ', HH24:MI') as last_success_text
) m
where i.active;
