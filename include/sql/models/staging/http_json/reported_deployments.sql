-- Table core.reported_deployments: the deployments of custom sources loaded since the last run, from raw.http_json_records.
-- Grain: one row per ended deployment. The id is the stream's name and upstream's own id (deploys:17).
-- The loader has checked the fields; here they get their types.
select
    r.integration_id,
    r.record_id as id,
    d.*,
    r.deleted_at
from raw.http_json_records r
cross join jsonb_to_record(r.payload -> 'record') as d (
    service text, environment text, result text, sha text, ref_name text, url text, created_at timestamptz,
    finished_at timestamptz)
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
  and r.payload ->> 'entity' = 'deployments'
