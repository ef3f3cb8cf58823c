-- Columns of core.deployments: how many changes it delivered, whether it failed, and whether it was unplanned.
-- Grain: one row per deployment whose outcome may be another.
-- It failed when an incident was caused by it, or when it was rolled back at once.
with reasons as (
    select e.deployment_id,
           string_agg(
               case e.rule when 'rollback' then 'rollback' when 'incident' then 'repairs ' || split_part(e.evidence_text, ' ', 1)
                   else e.rule || ' ' || coalesce(e.evidence_url, e.evidence_text) end,
               ', ' order by array_position(array['rollback', 'hotfix', 'revert', 'incident'], e.rule), e.evidence_id)
               as reason
    from touched_outcomes q
    join core.rework_evidence e on e.deployment_id = q.deployment_id
    group by e.deployment_id
), outcomes as (
    select d.id, d.environment_tier = 'production' and d.result = 'success' as is_live, d.rolled_back_by, caused.keys,
           brought.n, r.reason
    from touched_outcomes q
    join core.deployments d on d.id = q.deployment_id
    left join lateral (
        select string_agg(i.key, ', ' order by i.created_at, i.id) as keys
        from core.incident_deployments l
        join core.incidents i on i.id = l.incident_id
        where l.deployment_id = d.id
    ) caused on true
    left join lateral (
        select count(*)::integer as n from core.deployment_changes l where l.deployment_id = d.id
    ) brought on true
    left join reasons r on r.deployment_id = d.id
)
select id, is_live and (rolled_back_by is not null or keys is not null) as failed_change,
       case when is_live then
           case when keys is not null then 'incident ' || keys when rolled_back_by is not null then 'rolled back' end
       end as failure_reason,
       keys as incident_keys, coalesce(n, 0) as change_count, reason is not null as is_rework, reason as rework_reason
from outcomes
