-- Table core.pull_requests: the merges of Kiln loaded since the last run, from raw.kiln_entries.
-- Grain: one row per merge.
select
    r.integration_id,
    (r.payload ->> 'no')::bigint as id,
    a.id as repository_id,
    (r.payload ->> 'no')::integer as number,
    r.payload ->> 'note' as title,
    a.url || '/merges/' || (r.payload ->> 'no') as url,
    r.payload ->> 'by' as author_login,
    'trunk' as base_branch,
    (r.payload ->> 'begun')::timestamptz as first_authored_at,
    (r.payload ->> 'proposed')::timestamptz as created_at,
    (r.payload ->> 'landed')::timestamptz as merged_at,
    r.payload ->> 'rev' as merge_commit_sha,
    1 as commit_count,
    r.deleted_at
from raw.kiln_entries r
join core.repositories a on (a.integration_id, a.full_name) = (r.integration_id, 'kiln/' || (r.payload ->> 'app'))
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
  and r.payload ->> 'what' = 'merge'
