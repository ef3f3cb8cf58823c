-- Table core.github_issues: the issues loaded since the last run, from raw.github_issues.
-- Grain: one row per issue. Pull requests are not issues here.
select
    r.integration_id,
    (p ->> 'fullDatabaseId')::bigint as id,
    g.id as repository_id,
    (p ->> 'number')::integer as number,
    coalesce(p ->> 'title', '') as title,
    coalesce(p ->> 'body', '') as body,
    lower(p ->> 'state') as state,
    array(select jsonb_array_elements_text(p -> 'labels') order by 1) as labels,
    p -> 'author' ->> 'login' as author_login,
    p ->> 'url' as url,
    (p ->> 'createdAt')::timestamptz as created_at,
    (p ->> 'updatedAt')::timestamptz as updated_at,
    (p ->> 'closedAt')::timestamptz as closed_at,
    r.deleted_at
from raw.github_issues r
join core.github_repositories g on (g.integration_id, g.id) = (r.integration_id, r.scope_key::bigint)
cross join lateral (select r.payload as p) payload
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
