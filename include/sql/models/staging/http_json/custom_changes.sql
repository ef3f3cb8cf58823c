-- Table core.custom_changes: the merged changes of custom sources loaded since the last run, from raw.http_json_records.
-- Grain: one row per merged change. The id is the stream's name and upstream's own id (merges:17).
-- The loader has checked the fields; here they get their types.
select
    r.integration_id,
    r.record_id as id,
    c.*,
    r.deleted_at
from raw.http_json_records r
cross join jsonb_to_record(r.payload -> 'record') as c (
    service text, title text, author text, url text, first_commit_at timestamptz, opened_at timestamptz,
    first_review_at timestamptz, approved_at timestamptz, merged_at timestamptz, merge_sha text)
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
  and r.payload ->> 'entity' = 'changes'
