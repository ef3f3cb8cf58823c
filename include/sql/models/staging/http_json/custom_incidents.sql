-- Table core.custom_incidents: the incidents of custom sources loaded since the last run, from raw.http_json_records.
-- Grain: one row per incident. The id is the stream's name and upstream's own id (pager:17).
-- The loader has checked the fields; here they get their types.
select
    r.integration_id,
    r.record_id as id,
    i.key, i.title, coalesce(i.description, '') as description, i.service, i.severity, i.url, i.created_at, i.resolved_at,
    r.deleted_at
from raw.http_json_records r
cross join jsonb_to_record(r.payload -> 'record') as i (
    key text, title text, description text, service text, severity text, url text, created_at timestamptz,
    resolved_at timestamptz)
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
  and r.payload ->> 'entity' = 'incidents'
