-- Table core.quality_results: what the quality checks measured, by what this run has just computed.
-- Grain: one row per check, and per detail of some. A failed check of severity block stops the publication.
-- Per: client
-- Stamps: measured_at
with counted as (
    select k.check_name, k.measure, k.threshold, count(r.is_bad) as n, count(*) filter (where r.is_bad) as bad,
           to_jsonb((array_agg(r.example order by r.rank, r.id) filter (where r.is_bad))[1:5]) as examples
    from quality_checks k
    left join quality_records r using (check_name)
    where k.measure is not null
    group by k.check_name, k.measure, k.threshold
), lost as (
    -- What is kept is counted no further than the check has to know.
    select 'changes' as fact, (before).id, (
        select count(*) from (select from core.changes limit (select count(*) + 20 from changes_changed)) k) as kept
    from changes_changed where after is null
    union all
    select 'deployments', (before).id, (
        select count(*) from (select from core.deployments limit (select count(*) + 20 from deployments_changed)) k)
    from deployments_changed where after is null
    union all
    select 'incidents', (before).id, (
        select count(*) from (select from core.incidents limit (select count(*) + 20 from incidents_changed)) k)
    from incidents_changed where after is null
), facts as (
    -- counted once more, and simply
    select f.metric_type, f.n, s.today from settings s cross join lateral (
        select 'change_failure_rate' as metric_type, count(*) as n from core.deployments
        where environment_tier = 'production' and finished_on > s.checked_after and finished_on <= s.today and counts
        union all
        select 'deployment_success_rate', count(*) from core.deployments
        where environment_tier = 'production' and finished_on > s.checked_after and finished_on <= s.today
        union all
        select 'lead_time_for_changes', count(*) from core.deployment_changes
        where exclusion_reason is null and deployed_at > s.checked_after_at
          and deployed_on > s.checked_after and deployed_on <= s.today
        union all
        select 'time_to_restore', count(time_to_restore_hours) from core.incidents
        where resolved_on > s.checked_after and resolved_on <= s.today
    ) f
), measured (check_name, detail, numerator, denominator, value, failed, examples, message) as (
    select check_name, '', case measure when 'good' then n - bad when 'bad' then bad end,
           case when measure <> 'many' then n end, case when measure = 'many' then bad::double precision end,
           case measure
               when 'good' then n >= 20 and n - bad < threshold * n
               when 'bad' then n >= 20 and bad > threshold * n
               else bad > threshold
           end,
           examples, null
    from counted
    union all
    select 'incidents_linked', l.method, count(*), c.n, null, false, null, null
    from counted c
    join quality_records r on r.check_name = c.check_name
    join core.incident_deployments l on l.incident_id = r.id
    where c.check_name = 'incidents_linked'
    group by l.method, c.n
    union all
    select 'rejected_records', '', null, null, count(*), count(*) > 0, null, null
    from raw.rejects where replayed_at is null
    union all
    select 'stored_of_upstream', '', sum(least(stored_count, upstream_count)), sum(upstream_count), null,
           sum(upstream_count) > 0 and sum(least(stored_count, upstream_count)) < 0.98 * sum(upstream_count),
           to_jsonb((array_agg(entity || ' ' || scope_key order by missing_count desc, entity, scope_key)
                     filter (where missing_count > 0))[1:5]), null
    from core.etl_census
    union all
    select 'sudden_jump', m.metric_type, null, null, m.metric_value / nullif(p.metric_value, 0),
           m.metric_value > 3 * p.metric_value or m.metric_value < p.metric_value / 3, null, null
    from settings s
    join core.dora_metrics m
      on (m.grain, m.scope_type, m.scope_id, m.calculation_date) = ('rolling_30d', 'client', '', s.today)
    join core.dora_metrics p
      on (p.metric_type, p.grain, p.scope_type, p.scope_id, p.calculation_date)
       = (m.metric_type, m.grain, m.scope_type, m.scope_id, m.period_start - 1)
    where m.metric_type in ('deployment_frequency', 'lead_time_for_changes', 'time_to_restore')
      and m.sample_size >= 10 and p.sample_size >= 10 and m.metric_value is not null and p.metric_value is not null
    union all
    -- A token that lost its access looks like a company that stopped working.
    select 'facts_lost', fact, count(*), count(*) + least(min(kept), count(*) + 20), null,
           count(*) >= 20 and count(*) > min(kept) and (select reason = 'data' from settings),
           to_jsonb((array_agg(id order by id))[1:5]), null
    from lost
    group by fact
    union all
    select 'reconciliation', f.metric_type, null, null, m.sample_size - f.n, m.sample_size <> f.n, null,
           format(k.message, m.sample_size, f.n)
    from facts f
    join quality_checks k on k.check_name = 'reconciliation'
    join core.dora_metrics m
      on (m.metric_type, m.grain, m.scope_type, m.scope_id, m.calculation_date)
       = (f.metric_type, 'rolling_90d', 'client', '', f.today)
)
select m.check_name, m.detail, o.severity,
       case
           when m.failed then 'fail'
           when m.value is null and coalesce(m.denominator, 0) = 0 then 'no_data'
           else 'pass'
       end as status,
       case when m.denominator > 0 then m.numerator::double precision / m.denominator else m.value end as value,
       k.threshold::double precision, m.numerator, m.denominator,
       case when m.failed or k.threshold is null then coalesce(m.message, k.message) else '' end as message,
       coalesce(m.examples, '[]') as examples
from measured m
join quality_checks k using (check_name)
cross join settings s
cross join lateral (select s.settings ->> ('quality.' || m.check_name) as severity) o
where o.severity is distinct from 'off'
