-- Table core.custom_incidents: the alarms of Kiln loaded since the last run, from raw.kiln_entries.
-- Grain: one row per alarm.
select
    r.integration_id,
    r.record_id as id,
    'ALARM-' || (r.payload ->> 'no') as key,
    r.payload ->> 'note' as title,
    '' as description,
    r.payload ->> 'app' as service,
    (r.payload ->> 'from')::timestamptz as created_at,
    (r.payload ->> 'to')::timestamptz as resolved_at,
    r.deleted_at
from raw.kiln_entries r
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
  and r.payload ->> 'what' = 'alarm'
