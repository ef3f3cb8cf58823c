-- Table core.github_tags: the tags loaded since the last run, from raw.github_tags.
-- Grain: one row per tag of a repository.
select
    r.integration_id,
    g.id as repository_id,
    r.payload ->> 'name' as name,
    r.payload ->> 'oid' as sha,
    (r.payload ->> 'taggedAt')::timestamptz as tagged_at,
    r.deleted_at
from raw.github_tags r
join core.repositories g on (g.integration_id, g.id) = (r.integration_id, r.scope_key::bigint)
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
