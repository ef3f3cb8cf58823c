-- Statements: when an admin declares a stream as another entity, what its records were before is marked as deleted.
with loaded as materialized (
    select r.integration_id, r.record_id as id, r.payload ->> 'entity' as entity
    from raw.http_json_records r
    where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
), deployments as (
    update core.reported_deployments t set deleted_at = now()
    from loaded l
    where (t.integration_id, t.id) = (l.integration_id, l.id) and l.entity <> 'deployments' and t.deleted_at is null
), incidents as (
    update core.issues t set deleted_at = now()
    from loaded l
    where (t.integration_id, t.external_id) = (l.integration_id, l.id) and l.entity <> 'incidents' and t.deleted_at is null
)
update core.pull_requests t set deleted_at = now()
from loaded l
where (t.integration_id, t.external_id) = (l.integration_id, l.id) and l.entity <> 'changes' and t.deleted_at is null
