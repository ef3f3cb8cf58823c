-- Temporary table quality_records: what the checks that count records look at, over the last 90 days.
-- Grain: one row per check and record. The bad records that come first by rank and id are the examples.
with deployments as (
    select d.*, s.now - d.finished_at as age
    from settings s
    join core.deployments d on d.finished_on > s.checked_after and d.finished_on <= s.today
    where d.environment_tier = 'production'
), changes as (
    select c.*, s.now - c.merged_at as age, s.deployment_source
    from settings s
    join core.changes c
      on c.merged_at > s.checked_after_at and c.merged_on > s.checked_after and c.merged_on <= s.today
), incidents as (
    select i.*, s.now - i.created_at as age
    from settings s join core.incidents i on i.created_at > s.now - interval '90 days' and i.created_at <= s.now
)
select 'deployments_with_changes' as check_name, id, id as example, change_count = 0 as is_bad, age as rank
from deployments
where kind = 'release' and id = release_id and not is_baseline and not is_trial
union all
select 'changes_deployed', c.id, c.id, l.change_id is null, - c.age
from changes c
left join lateral (select l.change_id from core.deployment_changes l where l.change_id = c.id limit 1) l on true
union all
select 'incidents_linked', i.id, i.id, l.incident_id is null, - i.age
from incidents i left join core.incident_deployments l on l.incident_id = i.id
union all
select 'incidents_without_service', id, key, service_id is null, age from incidents
union all
select 'deployments_without_commit', id, id, contains_to is null, age from deployments
where source <> 'merge'  -- it knows its change without a place in the history
union all
select 'failures_guessed', id, coalesce(incident_keys, id), is_guess, age from deployments where counts and failed_change
union all
select 'trial_deployments', id, id, true, null from core.deployments where is_trial
union all
select 'changes_without_commit', id, coalesce(url, id), merge_position is null and merged_into is null, age
from changes
where deployment_source <> 'merges'
union all
select 'negative_durations', l.change_id, l.change_id, true, s.now - l.deployed_at
from core.deployment_changes l cross join settings s
where l.exclusion_reason = 'negative duration'
union all
select 'future_deployments', d.id, d.id, true, null from settings s join core.deployments d on d.finished_at > s.now
union all
select 'impossible_orders', id, id, true, null from changes where merged_at < opened_at
union all
select 'impossible_orders', id, id, true, null from deployments where finished_at < created_at
union all
select 'impossible_orders', i.id, i.id, true, null
from settings s join core.incidents i on i.resolved_on > s.checked_after and i.resolved_on <= s.today
where i.resolved_at < i.created_at
union all
select distinct 'orphans', i.name || ' ' || k.scope_key, i.name || ' ' || k.scope_key, true, null::interval
from core.etl_checkpoints k
join core.integrations i on i.id = k.integration_id
where i.integration_type in ('github', 'jira') and k.scope_key ~ '^[0-9]+$' and k.watermark_at is not null
  and k.stream <> 'sprints'  -- of a board
  and not exists (select from core.repositories r
                  where (r.integration_id, r.id::text) = (k.integration_id, k.scope_key))
  and not exists (select from core.projects p
                  where (p.integration_id, p.id::text) = (k.integration_id, k.scope_key))
