-- Table core.custom_changes: the merges of Kiln loaded since the last run, from raw.kiln_entries.
-- Grain: one row per merge.
select
    r.integration_id,
    r.record_id as id,
    r.payload ->> 'app' as service,
    r.payload ->> 'note' as title,
    (r.payload ->> 'begun')::timestamptz as first_commit_at,
    (r.payload ->> 'proposed')::timestamptz as opened_at,
    (r.payload ->> 'landed')::timestamptz as merged_at,
    r.payload ->> 'rev' as merge_sha,
    r.deleted_at
from raw.kiln_entries r
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
  and r.payload ->> 'what' = 'merge'
