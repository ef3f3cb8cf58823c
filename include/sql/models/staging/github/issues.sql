-- Table core.issues: the issues of repositories loaded since the last run, from raw.github_issues.
-- Grain: one row per issue. Pull requests are not issues here.
select
    r.integration_id,
    (p ->> 'fullDatabaseId')::bigint as id,
    g.id as repository_id,
    (p ->> 'number')::integer as number,
    coalesce(p ->> 'title', '') as summary,
    coalesce(p ->> 'body', '') as description,
    lower(p ->> 'state') as status,
    array(select jsonb_array_elements_text(p -> 'labels') order by 1) as labels,
    p -> 'author' ->> 'login' as reporter,
    p ->> 'url' as url,
    (p ->> 'createdAt')::timestamptz as created_at,
    (p ->> 'updatedAt')::timestamptz as updated_at,
    (p ->> 'closedAt')::timestamptz as resolution_at,
    r.deleted_at
from raw.github_issues r
join core.repositories g on (g.integration_id, g.id) = (r.integration_id, r.scope_key::bigint)
cross join lateral (select r.payload as p) payload
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
