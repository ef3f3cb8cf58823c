-- Table core.issues: the alarms of Kiln loaded since the last run, from raw.kiln_entries.
-- Grain: one row per alarm. Who reports an incident by itself gives it an external_id.
select
    r.integration_id,
    (r.payload ->> 'no')::bigint as id,
    r.record_id as external_id,
    'ALARM-' || (r.payload ->> 'no') as key,
    r.payload ->> 'note' as summary,
    r.payload ->> 'app' as service_name,
    (r.payload ->> 'from')::timestamptz as created_at,
    (r.payload ->> 'to')::timestamptz as resolution_at,
    r.deleted_at
from raw.kiln_entries r
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
  and r.payload ->> 'what' = 'alarm'
