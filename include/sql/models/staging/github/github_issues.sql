-- Statements
-- core.github_issues: one row an issue (pull requests are none), loaded since the last run.
with typed as (
    select
        r.integration_id,
        (p ->> 'fullDatabaseId')::bigint as id,
        r.scope_key::bigint as repository_id,
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
    cross join lateral (select r.payload as p) payload
    where r.client_id = (select core.etl_client_id())
      and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
      and exists (
          select from core.github_repositories g
          where g.client_id = r.client_id and g.integration_id = r.integration_id and g.id = r.scope_key::bigint)
)
insert into core.github_issues as t
    (client_id, integration_id, id, repository_id, number, title, body, state, labels, author_login, url, created_at,
     updated_at, closed_at, deleted_at)
select core.etl_client_id(), typed.* from typed
on conflict (client_id, integration_id, id) do update set
    repository_id = excluded.repository_id, number = excluded.number, title = excluded.title, body = excluded.body,
    state = excluded.state, labels = excluded.labels, author_login = excluded.author_login, url = excluded.url,
    created_at = excluded.created_at, updated_at = excluded.updated_at, closed_at = excluded.closed_at,
    deleted_at = excluded.deleted_at
where t is distinct from excluded;
