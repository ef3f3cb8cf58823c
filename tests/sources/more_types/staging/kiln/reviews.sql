-- Table core.reviews: who agreed to the merges of Kiln loaded since the last run.
-- Grain: one row per person who agreed to a merge.
-- Per: integration_id, pull_request_id
select p.integration_id, p.id as pull_request_id, r.payload -> 'agreed' as agreed
from raw.kiln_entries r
join core.pull_requests p on (p.integration_id, p.id) = (r.integration_id, (r.payload ->> 'no')::bigint)
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
;
select
    t.integration_id,
    t.pull_request_id,
    v.ordinality as id,
    v.value ->> 'who' as author_login,
    'APPROVED' as state,
    (v.value ->> 'at')::timestamptz as submitted_at
from touched t
cross join jsonb_array_elements(t.agreed) with ordinality v
