-- Table core.github_releases: the releases loaded since the last run, from raw.github_releases.
-- Grain: one row per release. A release that does not say its commit has that of its tag. A draft has no published_at.
select
    r.integration_id,
    (p ->> 'databaseId')::bigint as id,
    g.id as repository_id,
    p ->> 'tagName' as tag_name,
    coalesce(p -> 'tagCommit' ->> 'oid', tag.sha) as sha,
    p ->> 'name' as name,
    coalesce((p ->> 'isPrerelease')::boolean, false) as is_prerelease,
    p ->> 'url' as url,
    (p ->> 'createdAt')::timestamptz as created_at,
    case when not coalesce((p ->> 'isDraft')::boolean, false) then (p ->> 'publishedAt')::timestamptz end as published_at,
    r.deleted_at
from raw.github_releases r
join core.repositories g on (g.integration_id, g.id) = (r.integration_id, r.scope_key::bigint)
cross join lateral (select r.payload as p) payload
left join core.github_tags tag
  on (tag.integration_id, tag.repository_id, tag.name) = (r.integration_id, g.id, p ->> 'tagName')
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
