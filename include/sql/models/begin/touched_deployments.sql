-- Temporary table touched_deployments: the sources' records of deployments that an increment reads again.
-- Grain: one row per record (kind, integration_id, record, key); all that may count in a full run. id: that of its deployment.
-- Those that were written, those of a commit whose place in the history has moved, or of a branch that began at one or is now
-- known, and those of a service that has changed.
-- Those that name their service are all read again when a service comes, goes, is renamed or has another production branch.
-- Index: (kind, integration_id, record)
with touched as (
    select fact as kind, integration_id, coalesce(external_id, key) as key,
           case when external_id is null then split_part(key, ':', 1)::bigint else hashtextextended(external_id, 0) end
               as record
    from queue
    where fact in ('deployment', 'workflow_run', 'release', 'reported_deployment')
    union
    select r.kind, r.integration_id, r.key, r.record
    from moved_commits q
    join core.deployment_records r
      on (r.integration_id, r.repository_id, r.sha) = (q.integration_id, q.repository_id, q.sha)
    union
    select r.kind, r.integration_id, r.key, r.record
    from moved_commits q
    join core.deployment_records r on r.sha = q.sha and r.kind = 'reported_deployment'
    union
    select r.kind, r.integration_id, r.key, r.record
    from moved_branches q
    join core.deployment_records r
      on (r.integration_id, r.repository_id, r.sha) = (q.integration_id, q.repository_id, q.sha)
    union
    select r.kind, r.integration_id, r.key, r.record
    from moved_branches q
    join core.deployment_records r on r.sha = q.sha and r.kind = 'reported_deployment'
    union
    select r.kind, r.integration_id, r.key, r.record
    from touched_services v
    join core.deployment_records r on (r.integration_id, r.repository_id) = (v.integration_id, v.repository_id)
    union
    select kind, integration_id, key, record from core.deployment_records
    where kind = 'reported_deployment' and exists (select from touched_services where is_renamed)
    union
    select r.kind, r.integration_id, r.key, r.record
    from settings s
    join core.deployment_records r on r.kind in (rtrim(s.deployment_source, 's'), 'reported_deployment')
    where s.is_full
)
select t.*, s.prefix
           || case t.kind when 'reported_deployment' then '' when 'workflow_run' then '-run' else '-' || t.kind end
           || ':' || t.integration_id || ':' || t.key as id
from touched t
join sources s on s.integration_id = t.integration_id
