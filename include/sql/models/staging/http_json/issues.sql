-- Table core.issues: the incidents of custom sources loaded since the last run, from raw.http_json_records.
-- Grain: one row per incident. external_id is the stream's name and upstream's own id (pager:17).
-- The loader has checked the fields; here they get their types.
select
    r.integration_id,
    coalesce(known.id, nextval('core.record_ids')) as id,
    r.record_id as external_id,
    i.key,
    i.title as summary,
    coalesce(i.description, '') as description,
    i.service as service_name,
    i.severity as priority,
    i.url,
    i.created_at,
    i.resolved_at as resolution_at,
    r.deleted_at
from raw.http_json_records r
cross join jsonb_to_record(r.payload -> 'record') as i (
    key text, title text, description text, service text, severity text, url text, created_at timestamptz,
    resolved_at timestamptz)
left join core.issues known on (known.integration_id, known.external_id) = (r.integration_id, r.record_id)
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
  and r.payload ->> 'entity' = 'incidents'
