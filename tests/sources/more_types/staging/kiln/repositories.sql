-- Table core.repositories: the apps of Kiln, from raw.kiln_entries.
-- Grain: one row per app.
select
    r.integration_id,
    (r.payload ->> 'no')::bigint as id,
    'kiln/' || (r.payload ->> 'app') as full_name,
    'trunk' as default_branch,
    i.base_url || '/apps/' || (r.payload ->> 'app') as url,
    r.deleted_at
from raw.kiln_entries r
join core.integrations i on i.id = r.integration_id
where r.payload ->> 'what' = 'app'
