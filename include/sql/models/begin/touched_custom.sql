-- Temporary table touched_custom: the records of custom sources that an increment reads again.
-- Grain: one row per record (fact: custom_deployment, custom_change or custom_incident); all of them in a full run.
-- Those that were written, those whose commit was written or has moved, and all of them when a service comes, goes, is
-- renamed or has another production branch, since custom records name their service.
-- Index: (fact, integration_id, id)
with records as not materialized (
    select 'custom_deployment' as fact, integration_id, id from core.custom_deployments
    union all
    select 'custom_change', integration_id, id from core.custom_changes
    union all
    select 'custom_incident', integration_id, id from core.custom_incidents
)
select fact, integration_id, key as id from queue where fact in ('custom_deployment', 'custom_change', 'custom_incident')
union
select 'custom_change', x.integration_id, x.id
from queued_commits q
join core.custom_changes x on x.merge_sha = q.sha
union
select 'custom_deployment', x.integration_id, x.id
from moved_commits q
join core.custom_deployments x on x.sha = q.sha
union
select fact, integration_id, id from records
where (select is_full or exists (select from touched_services where is_renamed) from settings)
