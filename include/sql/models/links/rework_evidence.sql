-- Table core.rework_evidence: why a production deployment was unplanned.
-- Grain: one row per deployment, rule (rollback, hotfix, revert, incident) and what shows it.
-- Per: deployment_id of select id as deployment_id from core.deployments
select deployment_id from touched_outcomes where deployment_id is not null
;
with deployments as (
    select d.*
    from touched q
    join core.deployments d on d.id = q.deployment_id
    where d.environment_tier = 'production'
)
select d.id as deployment_id, 'rollback' as rule, undone.id as evidence_id,
       'went back behind the deployment before it' as evidence_text, undone.url as evidence_url
from deployments d
cross join lateral (
    select p.id, p.url from core.deployments p
    where (p.service_id, p.environment) = (d.service_id, d.environment)
      and p.environment_tier = 'production' and p.result = 'success' and p.finished_at <= d.finished_at
      and (p.finished_at, p.id) < (d.finished_at, d.id)
    order by p.finished_at desc, p.id desc limit 1
) undone
where d.is_rollback
union all
select d.id, rule.name, c.id, c.title, c.url
from deployments d
join core.deployment_changes l on l.deployment_id = d.id
-- Hotfixes and reverts are rare: of a client's whole history they are found among its changes.
join core.changes c on c.id = l.change_id and (c.is_hotfix or c.is_revert)
cross join lateral (values ('hotfix', c.is_hotfix), ('revert', c.is_revert)) rule (name, applies)
where rule.applies
union all
select distinct d.id, 'incident', i.id, i.key || ' ' || i.title, i.url
from deployments d
join core.deployment_changes l on l.deployment_id = d.id
join core.changes c on c.id = l.change_id
cross join lateral unnest(c.issue_keys) as named (issue_key)
join core.incident_references n on (n.kind, n.reference) = ('key', named.issue_key)
join core.incidents i on i.id = n.incident_id and i.created_at < d.finished_at
