-- Temporary table touched_outcomes: the deployments whose outcome may be another: what they caused, and why they were made.
-- Grain: one row per deployment; all of them in a full run.
-- Those whose own row, deliveries, incidents or delivered changes were written; the rollbacks behind a moved deployment, and
-- what a moved rollback undid; and the first deployment of a release of which one of these is, or was, a part.
with named_incidents as (
    -- Whatever names an incident, or has named it, may be its repair.
    select r.reference as issue_key
    from incidents_changed c
    join core.incident_references r on r.incident_id = (c.after).id and r.kind = 'key'
    union
    select coalesce((before).reference, (after).reference) from incident_references_changed
    where coalesce((before).kind, (after).kind) = 'key'
), moved as (
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
    select undone.id
    from moved_deployments m
    join core.deployments d on d.id = m.id and d.is_rollback
    cross join lateral (
        select p.id from core.deployments p
        where (p.service_id, p.environment) = (d.service_id, d.environment)
          and p.environment_tier = 'production' and p.result = 'success' and p.finished_at <= d.finished_at
          and (p.finished_at, p.id) < (d.finished_at, d.id)
        order by p.finished_at desc, p.id desc limit 1
    ) undone
)
select deployment_id from moved
union
select d.release_id from moved m join core.deployments d on d.id = m.deployment_id and d.release_id is not null
union
select r.release_id
from releases_changed c
cross join unnest(array[c.before, c.after]) r
where r.release_id is not null
union
select id from core.deployments where (select is_full from settings)
