-- core.trust_indicators: how much of the last 90 days' data could be linked, and how complete and fresh it is.
with settings as (
    select c.id as client_id, now() - interval '90 days' as since from core.clients c where c.id = (select core.etl_client_id())
), measured (indicator, detail, numerator, denominator, value) as (
    select 'deployments_with_changes', '', count(*) filter (where exists (
               select from core.deployment_changes l where (l.client_id, l.deployment_id) = (d.client_id, d.id))),
           count(*), null::double precision
    from core.deployments d, settings s
    where d.client_id = s.client_id and d.environment_tier = 'production' and d.result = 'success'
      and not d.is_baseline and d.finished_at >= s.since
    union all
    select 'changes_deployed', '', count(l.change_id), count(*), null
    from settings s
    join core.changes c on c.client_id = s.client_id and c.merged_at >= s.since
    left join core.deployment_changes l on (l.client_id, l.change_id) = (c.client_id, c.id)
    union all
    select 'incidents_linked', '', count(l.incident_id), count(*), null
    from settings s
    join core.incidents i on i.client_id = s.client_id and i.created_at >= s.since
    left join core.incident_deployments l on (l.client_id, l.incident_id) = (i.client_id, i.id)
    union all
    select 'incidents_linked', l.method, count(*), (select count(*) from core.incidents i
               where i.client_id = l.client_id and i.created_at >= s.since), null
    from settings s
    join core.incident_deployments l on l.client_id = s.client_id
    join core.incidents i on (i.client_id, i.id) = (l.client_id, l.incident_id) and i.created_at >= s.since
    group by l.client_id, l.method, s.since
    union all
    select 'rejected_records', '', null, null, count(*)
    from raw.rejects r, settings s where r.client_id = s.client_id and r.replayed_at is null
    union all
    select 'negative_durations', '', null, null, count(*)
    from core.change_evidence e, settings s
    where e.client_id = s.client_id and e.exclusion_reason = 'negative duration'
), rows as (
    select s.client_id, m.indicator, m.detail,
           case when m.denominator > 0 then m.numerator::double precision / m.denominator else m.value end as value,
           m.numerator, m.denominator,
           case when m.value is null and coalesce(m.denominator, 0) = 0 then 'no_data' end as null_reason
    from measured m, settings s
)
merge into core.trust_indicators as t
using rows as s on (t.client_id, t.indicator, t.detail) = (s.client_id, s.indicator, s.detail)
when matched and row(t.value, t.numerator, t.denominator, t.null_reason)
    is distinct from row(s.value, s.numerator, s.denominator, s.null_reason) then update set
    value = s.value, numerator = s.numerator, denominator = s.denominator, null_reason = s.null_reason,
    measured_at = now()
when not matched then insert (client_id, indicator, detail, value, numerator, denominator, null_reason)
    values (s.client_id, s.indicator, s.detail, s.value, s.numerator, s.denominator, s.null_reason)
when not matched by source and t.client_id = (select core.etl_client_id()) then delete;
