-- Columns of core.deployments: how many changes it delivered, whether it failed and recovered, and whether it was unplanned.
-- Grain: one row per deployment whose outcome may be another.
-- It failed when an incident was caused by it, or when it was rolled back at once. What happened to any deployment of a release
-- happened to its first one. A release that was rolled back recovered when the rollback finished; another one, when the last
-- of its incidents was resolved.
with parts as (
    -- the deployments of the release of which it is the first; otherwise it alone
    select q.deployment_id as id, d.id as part_id, d.finished_at, d.rolled_back_by
    from touched_outcomes q
    join core.deployments o on o.id = q.deployment_id
    cross join lateral (
        select x.id, x.finished_at, x.rolled_back_by, x.environment_tier, x.result from core.deployments x
        where o.release_id = o.id and o.version is not null and x.version = o.version and x.release_id = o.id
        union
        select o.id, o.finished_at, o.rolled_back_by, o.environment_tier, o.result
        offset 0
    ) d
    where d.environment_tier = 'production' and d.result = 'success'
), failures as (
    select p.id, min(p.finished_at) as failed_at, max(undo.finished_at) as undone_at, count(undo.id) > 0 as is_undone,
           string_agg(caused.keys, ', ' order by p.finished_at, p.part_id) as keys,
           bool_and(caused.is_resolved) as is_resolved, max(caused.resolved_at) as resolved_at,
           coalesce(bool_and(caused.is_guess), true) as is_guess
    from parts p
    left join core.deployments undo on undo.id = p.rolled_back_by
    left join lateral (
        select string_agg(i.key, ', ' order by i.created_at, i.id) as keys, max(i.resolved_at) as resolved_at,
               bool_and(i.resolved_at is not null) as is_resolved, bool_and(l.method = 'time_window') as is_guess
        from core.incident_deployments l
        join core.incidents i on i.id = l.incident_id
        where l.deployment_id = p.part_id
    ) caused on true
    where undo.id is not null or caused.keys is not null
    group by p.id
), recovered as (
    select *, case when is_undone then undone_at when is_resolved then resolved_at end as recovered_at from failures
), reasons as (
    select p.id,
           string_agg(
               case e.rule when 'rollback' then 'rollback' when 'incident' then 'repairs ' || split_part(e.evidence_text, ' ', 1)
                   else e.rule || ' ' || coalesce(e.evidence_url, e.evidence_text) end,
               ', ' order by p.part_id <> p.id, array_position(array['rollback', 'hotfix', 'revert', 'incident'], e.rule),
               e.evidence_id)
               as reason
    from parts p
    join core.rework_evidence e on e.deployment_id = p.part_id
    group by p.id
)
select d.id, f.id is not null as failed_change,
       case when f.keys is not null then 'incident ' || f.keys when f.is_undone then 'rolled back' end as failure_reason,
       f.keys as incident_keys, f.id is not null and not f.is_undone and f.is_guess as is_guess, f.recovered_at,
       (f.recovered_at at time zone s.time_zone)::date as recovered_on,
       core.elapsed_hours(f.failed_at, f.recovered_at, s.working) as recovery_hours,
       core.hours_between(f.failed_at, f.recovered_at) as recovery_calendar_hours, brought.n as change_count,
       r.reason is not null as is_rework, r.reason as rework_reason
from touched_outcomes q
join core.deployments d on d.id = q.deployment_id
cross join settings s
left join recovered f on f.id = d.id
left join reasons r on r.id = d.id
left join lateral (
    select count(*)::integer as n from core.deployment_changes l
    where l.deployment_id = d.id and l.exclusion_reason is distinct from 'carries others'
) brought on true
