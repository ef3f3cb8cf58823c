-- Temporary table touched_outcomes: the deployments whose outcome may be another: what they caused, and why they were made.
-- Grain: one row per deployment; all of them in a full run.
-- Those whose own row, deliveries, incidents or delivered changes were written; and the rollbacks behind a moved deployment.
with named_incidents as (
    -- Whatever names an incident, or has named it, may be its repair.
    select r.reference as issue_key
    from incidents_changed c
    join core.incident_references r on r.incident_id = (c.after).id and r.kind = 'key'
    union
    select coalesce((before).reference, (after).reference) from incident_references_changed
    where coalesce((before).kind, (after).kind) = 'key'
)
select coalesce((after).id, (before).id) as deployment_id from deployments_changed
union
select d.id
from moved_deployments m
join core.deployments d
  on d.service_id = m.service_id and d.environment_tier = 'production' and d.result = 'success'
 and d.finished_at >= m.finished_at and d.environment = m.environment and d.is_rollback
union
select l.deployment_id
from deployment_changes_changed c
cross join unnest(array[c.before, c.after]) l
where (c.before).deployment_id is distinct from (c.after).deployment_id
union
select l.deployment_id
from changes_changed c
join core.deployment_changes l on l.change_id = (c.after).id
union
select l.deployment_id
from incident_deployments_changed c
cross join unnest(array[c.before, c.after]) l
union
select l.deployment_id
from incidents_changed c
join core.incident_deployments l on l.incident_id = (c.after).id
union
select l.deployment_id
from named_incidents n
join core.change_references r on r.issue_key = n.issue_key
join core.deployment_changes l on l.change_id = r.change_id
union
select id from core.deployments where (select is_full from settings)
