-- core.deployments.is_rework: an unplanned production deployment, made because of an incident: a rollback, or one that
-- brought a hotfix or a revert. rework_reason names the evidence.
with reasons as (
    select d.client_id, d.id,
           case
               when d.is_rollback then 'rollback'
               when bool_or(c.is_hotfix) then 'hotfix ' || string_agg(c.url, ' ' order by c.number) filter (where c.is_hotfix)
               when bool_or(c.is_revert) then 'revert ' || string_agg(c.url, ' ' order by c.number) filter (where c.is_revert)
           end as reason
    from core.deployments d
    left join core.deployment_changes l on (l.client_id, l.deployment_id) = (d.client_id, d.id)
    left join core.changes c on (c.client_id, c.id) = (l.client_id, l.change_id)
    where d.client_id = (select core.etl_client_id()) and d.environment_tier = 'production'
    group by d.client_id, d.id, d.is_rollback
)
update core.deployments t
set is_rework = (r.reason is not null), rework_reason = r.reason
from core.deployments d
left join reasons r on (r.client_id, r.id) = (d.client_id, d.id)
where d.client_id = (select core.etl_client_id()) and (t.client_id, t.id) = (d.client_id, d.id)
  and (t.is_rework, t.rework_reason) is distinct from (r.reason is not null, r.reason);
