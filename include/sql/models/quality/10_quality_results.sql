-- Statements
-- core.quality_results: one row a quality check (and detail) over the last 90 days, by what the stage has just computed. A
-- check that fails warns; of severity block it keeps the stage from publishing. Setting quality.<check> overrides.
-- The checks: coverage of links; orders that cannot be; records without a home; what upstream has and we do not; sudden
-- jumps; and whether the published numbers are those that the facts give.
create temporary table quality_measured (
    check_name text, detail text, severity text, numerator bigint, denominator bigint, value double precision,
    threshold double precision, failed boolean, message text, examples jsonb) on commit drop;

-- Coverage ---------------------------------------------------------------------------------------------------------------
insert into quality_measured
select 'deployments_with_changes', '', 'warn', n.linked, n.everything, null::double precision, 0.5::double precision, n.everything >= 20 and n.linked < 0.5 * n.everything,
       'Few production deployments brought a change that we know: do deployments name commits of the default branch?', n.examples
from (
    select count(*) filter (where d.change_count > 0) as linked, count(*) as everything,
           to_jsonb((array_agg(d.id order by d.finished_at desc, d.id) filter (where d.change_count = 0))[1:5]) as examples
    from core.deployments d, settings s
    where d.client_id = s.client_id and d.environment_tier = 'production'
      and d.finished_on > s.checked_after and d.finished_on <= s.today
      and d.result = 'success' and not d.is_baseline and not d.is_rollback
) n
union all
select 'changes_deployed', '', 'info', n.linked, n.everything, null, null, false, '', n.examples
from (
    select count(l.change_id) as linked, count(*) as everything,
           to_jsonb((array_agg(c.id order by c.merged_at, c.id) filter (where l.change_id is null))[1:5]) as examples
    from settings s
    join core.changes c
      on c.client_id = s.client_id and c.merged_at > s.checked_after_at and c.merged_on > s.checked_after and c.merged_on <= s.today
    left join lateral (
        select l.change_id from core.deployment_changes l where (l.client_id, l.change_id) = (c.client_id, c.id) limit 1
    ) l on true
) n
union all
select 'incidents_linked', '', 'info', n.linked, n.everything, null, null, false, '', n.examples
from (
    select count(l.incident_id) as linked, count(*) as everything,
           to_jsonb((array_agg(i.id order by i.created_at, i.id) filter (where l.incident_id is null))[1:5]) as examples
    from settings s
    join core.incidents i on i.client_id = s.client_id and i.created_at > s.now - interval '90 days' and i.created_at <= s.now
    left join core.incident_deployments l on (l.client_id, l.incident_id) = (i.client_id, i.id)
) n
union all
select 'incidents_linked', l.method, 'info', count(*), (
           select count(*) from core.incidents a
           where a.client_id = (select core.etl_client_id()) and a.created_at > (select now - interval '90 days' from settings)
             and a.created_at <= (select now from settings)),
       null, null, false, '', '[]'
from settings s
join core.incidents i on i.client_id = s.client_id and i.created_at > s.now - interval '90 days' and i.created_at <= s.now
join core.incident_deployments l on (l.client_id, l.incident_id) = (i.client_id, i.id)
group by l.method;

-- Records without a home, and orders that cannot be --------------------------------------------------------------------------
insert into quality_measured
select 'incidents_without_service', '', 'info', n.bad, n.everything, null::double precision, null::double precision, false,
       'Incidents whose components and labels name no service count for the client only.', n.examples
from (
    select count(*) filter (where i.service_id is null) as bad, count(*) as everything,
           to_jsonb((array_agg(i.key order by i.created_at desc, i.id) filter (where i.service_id is null))[1:5]) as examples
    from core.incidents i, settings s
    where i.client_id = s.client_id and i.created_at > s.now - interval '90 days' and i.created_at <= s.now
) n
union all
select 'deployments_without_commit', '', 'warn', n.bad, n.everything, null, 0.2, n.everything >= 20 and n.bad > 0.2 * n.everything,
       'Production deployments of commits that were not in the default branch''s history then contain nothing that we know.',
       n.examples
from (
    select count(*) filter (where d.position is null) as bad, count(*) as everything,
           to_jsonb((array_agg(d.id order by d.finished_at desc, d.id) filter (where d.position is null))[1:5]) as examples
    from core.deployments d, settings s
    where d.client_id = s.client_id and d.environment_tier = 'production'
      and d.source <> 'merge'  -- it knows its change without a place in the history
      and d.finished_on > s.checked_after and d.finished_on <= s.today
) n
union all
select 'changes_without_commit', '', 'warn', n.bad, n.everything, null, 0.2, n.everything >= 20 and n.bad > 0.2 * n.everything,
       'Merged changes whose merge commit is not in the default branch''s history cannot be found in a deployment.', n.examples
from (
    select count(*) filter (where c.merge_position is null) as bad, count(*) as everything,
           to_jsonb((array_agg(coalesce(c.url, c.id) order by c.merged_at desc, c.id) filter (where c.merge_position is null))[1:5]) as examples
    from core.changes c, settings s
    where c.client_id = s.client_id and s.deployment_source <> 'merges' and c.merged_at > s.checked_after_at and c.merged_on > s.checked_after and c.merged_on <= s.today
) n
union all
select 'negative_durations', '', 'warn', null, null, n.bad, 0, n.bad > 0,
       'Changes that were deployed before they began are left out: look at their commits'' dates.', n.examples
from (
    select count(*) as bad, to_jsonb((array_agg(l.change_id order by l.deployed_at desc, l.change_id))[1:5]) as examples
    from core.deployment_changes l
    where l.client_id = (select core.etl_client_id()) and l.exclusion_reason = 'negative duration'
) n
union all
select 'impossible_orders', '', 'warn', null, null, n.bad, 0, n.bad > 0,
       'Records that end before they begin: merged before opened, deployed before created, resolved before reported.', n.examples
from (
    select count(*) as bad, to_jsonb((array_agg(id order by id))[1:5]) as examples
    from (
        select c.id from core.changes c, settings s
        where c.client_id = s.client_id and c.merged_at > s.checked_after_at and c.merged_on > s.checked_after
          and c.merged_on <= s.today and c.merged_at < c.opened_at
        union all
        select d.id from core.deployments d, settings s
        where d.client_id = s.client_id and d.environment_tier = 'production'
      and d.finished_on > s.checked_after and d.finished_on <= s.today
          and d.finished_at < d.created_at
        union all
        select i.id from core.incidents i, settings s
        where i.client_id = s.client_id and i.resolved_on > s.checked_after and i.resolved_on <= s.today and i.resolved_at < i.created_at
    ) x
) n
union all
select 'orphans', '', 'warn', null, null, n.bad, 0, n.bad > 0,
       'Records were read of a repository or project that is not stored itself: they wait, and are in no number.', n.examples
from (
    select count(*) as bad, to_jsonb((array_agg(x.name order by x.name))[1:5]) as examples
    from (
        select distinct i.name || ' ' || k.scope_key as name
        from core.etl_checkpoints k
        join core.integrations i on (i.client_id, i.id) = (k.client_id, k.integration_id)
        where k.client_id = (select core.etl_client_id()) and k.scope_key ~ '^[0-9]+$' and k.watermark_at is not null
          and k.stream <> 'sprints'  -- of a board
          and case i.integration_type
                  when 'github' then not exists (
                      select from core.github_repositories r
                      where (r.client_id, r.integration_id, r.id) = (k.client_id, k.integration_id, k.scope_key::bigint))
                  when 'jira' then not exists (
                      select from core.jira_projects p
                      where (p.client_id, p.integration_id, p.id) = (k.client_id, k.integration_id, k.scope_key::bigint))
                  else false end
    ) x
) n;

-- What upstream has, and we do not ----------------------------------------------------------------------------------------
insert into quality_measured
select 'stored_of_upstream', '', 'warn', sum(least(c.stored_count, c.upstream_count)), sum(c.upstream_count), null::double precision, 0.98::double precision,
       sum(c.upstream_count) > 0 and sum(least(c.stored_count, c.upstream_count)) < 0.98 * sum(c.upstream_count),
       'The last census found records upstream that were missing here; they have been fetched since.',
       to_jsonb((array_agg(c.entity || ' ' || c.scope_key order by c.missing_count desc, c.entity, c.scope_key) filter (where c.missing_count > 0))[1:5])
from core.etl_census c where c.client_id = (select core.etl_client_id())
union all
select 'rejected_records', '', 'warn', null, null, count(*), 0, count(*) > 0,
       'Records that could not be read: the DAG replay_rejects reads them again.', '[]'
from raw.rejects r where r.client_id = (select core.etl_client_id()) and r.replayed_at is null;

-- Sudden jumps ----------------------------------------------------------------------------------------------------------------
insert into quality_measured
select 'sudden_jump', m.metric_type, 'warn', null::bigint, null::bigint,
       m.metric_value / nullif(p.metric_value, 0), 3,
       m.metric_value > 3 * p.metric_value or m.metric_value < p.metric_value / 3,
       'The last 30 days are three times the 30 days before, or a third: is a source missing, or a rule?', '[]'
from settings s
join core.dora_metrics m
  on m.client_id = s.client_id and m.grain = 'rolling_30d' and m.scope_type = 'client' and m.scope_id = ''
 and m.calculation_date = s.today and m.metric_type in ('deployment_frequency', 'lead_time_for_changes', 'time_to_restore')
join core.dora_metrics p
  on (p.client_id, p.metric_type, p.grain, p.scope_type, p.scope_id, p.calculation_date)
   = (m.client_id, m.metric_type, m.grain, m.scope_type, m.scope_id, m.period_start - 1)
where m.sample_size >= 10 and p.sample_size >= 10 and m.metric_value is not null and p.metric_value is not null;

-- Facts that this very run took away: a token that lost its access looks like a company that stopped working.
insert into quality_measured
select 'facts_lost', f.fact, 'block', f.gone, f.gone + f.kept, null::double precision, 0.5,
       f.gone >= 20 and f.gone > f.kept and (select reason = 'data' from settings),
       'More than half of what was published would vanish at once. If that is right, set quality.facts_lost to "warn" for one run.',
       f.examples
from (
    select 'changes' as fact, (select count(*) from (select (before).id as id from changes_changed where after is null) gone) as gone,
           (select to_jsonb((array_agg(id order by id))[1:5]) from (select (before).id as id from changes_changed where after is null) gone) as examples,
           (select count(*) from (
                select from core.changes c where c.client_id = (select core.etl_client_id())
                limit (select count(*) + 20 from (select (before).id as id from changes_changed where after is null) gone)) x) as kept
    union all
    select 'deployments', (select count(*) from (select (before).id as id from deployments_changed where after is null) gone),
           (select to_jsonb((array_agg(id order by id))[1:5]) from (select (before).id as id from deployments_changed where after is null) gone),
           (select count(*) from (
                select from core.deployments d where d.client_id = (select core.etl_client_id())
                limit (select count(*) + 20 from (select (before).id as id from deployments_changed where after is null) gone)) x)
    union all
    select 'incidents', (select count(*) from (select (before).id as id from incidents_changed where after is null) gone), (select to_jsonb((array_agg(id order by id))[1:5]) from (select (before).id as id from incidents_changed where after is null) gone),
           (select count(*) from (
                select from core.incidents i where i.client_id = (select core.etl_client_id())
                limit (select count(*) + 20 from (select (before).id as id from incidents_changed where after is null) gone)) x)
) f
where f.gone > 0;

-- The published numbers against the facts, counted once more and simply -------------------------------------------------------
insert into quality_measured
select 'reconciliation', c.metric_type, 'block', null::bigint, null::bigint, c.published - c.counted, 0, c.published is distinct from c.counted,
       format('The last 90 days'' published sample is %s, the facts give %s: an error of ours. Trigger the client''s DAG with recompute.',
              c.published, c.counted), '[]'
from (
    select m.metric_type, m.sample_size as published,
           case m.metric_type
               when 'change_failure_rate' then (
                   select count(*) from core.deployments d
                   where d.client_id = s.client_id and d.environment_tier = 'production'
                     and d.finished_on > s.checked_after and d.finished_on <= s.today)
               when 'deployment_frequency' then (
                   select count(*) from core.deployments d
                   where d.client_id = s.client_id and d.environment_tier = 'production' and d.result = 'success'
                     and d.finished_on > s.checked_after and d.finished_on <= s.today)
               when 'lead_time_for_changes' then (
                   select count(*) from core.deployment_changes l
                   where l.client_id = s.client_id and l.exclusion_reason is null and l.deployed_at > s.checked_after_at
                     and l.deployed_on > s.checked_after and l.deployed_on <= s.today)
               when 'time_to_restore' then (
                   select count(i.time_to_restore_hours) from core.incidents i
                   where i.client_id = s.client_id and i.resolved_on > s.checked_after and i.resolved_on <= s.today)
           end as counted
    from settings s
    join core.dora_metrics m
      on m.client_id = s.client_id and m.grain = 'rolling_90d' and m.scope_type = 'client' and m.scope_id = ''
     and m.calculation_date = s.today
    where m.metric_type in ('change_failure_rate', 'deployment_frequency', 'lead_time_for_changes', 'time_to_restore')
) c;

create temporary table quality_wanted on commit drop as
select
    m.check_name, m.detail, coalesce(o.severity, m.severity) as severity,
    case when m.failed then 'fail' when m.value is null and coalesce(m.denominator, 0) = 0 then 'no_data' else 'pass' end as status,
    case when m.denominator > 0 then m.numerator::double precision / m.denominator else m.value end as value,
    m.threshold, m.numerator, m.denominator, case when m.failed or m.severity = 'info' then m.message else '' end as message,
    coalesce(m.examples, '[]') as examples
from quality_measured m
left join (
    select replace(setting_key, 'quality.', '') as check_name, setting_value #>> '{}' as severity
    from core.system_settings where client_id = (select core.etl_client_id()) and setting_key like 'quality.%'
) o on o.check_name = m.check_name
where o.severity is distinct from 'off';

merge into core.quality_results as t
using quality_wanted as s
   on (t.client_id, t.check_name, t.detail) = ((select core.etl_client_id()), s.check_name, s.detail)
when matched and row(t.severity, t.status, t.value, t.threshold, t.numerator, t.denominator, t.message, t.examples)
    is distinct from row(s.severity, s.status, s.value, s.threshold, s.numerator, s.denominator, s.message, s.examples)
then update set
    severity = s.severity, status = s.status, value = s.value, threshold = s.threshold, numerator = s.numerator,
    denominator = s.denominator, message = s.message, examples = s.examples, measured_at = now()
when not matched then insert
    (client_id, check_name, detail, severity, status, value, threshold, numerator, denominator, message, examples)
    values ((select core.etl_client_id()), s.check_name, s.detail, s.severity, s.status, s.value, s.threshold, s.numerator,
            s.denominator, s.message, s.examples)
when not matched by source and t.client_id = (select core.etl_client_id()) then delete;
