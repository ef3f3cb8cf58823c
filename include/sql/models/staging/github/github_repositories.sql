-- Statements
-- core.github_repositories: one row a repository, from raw.github_repositories.
with source as (
    select
        r.integration_id,
        (r.payload ->> 'databaseId')::bigint as id,
        r.payload ->> 'id' as node_id,
        r.payload ->> 'nameWithOwner' as full_name,
        r.payload -> 'defaultBranchRef' ->> 'name' as default_branch,
        r.payload ->> 'url' as url,
        coalesce((r.payload ->> 'isArchived')::boolean, false) as archived,
        (r.payload ->> 'pushedAt')::timestamptz as pushed_at,
        r.deleted_at
    from raw.github_repositories r
    where r.client_id = (select core.etl_client_id())
)
insert into core.github_repositories as t
    (client_id, integration_id, id, node_id, full_name, default_branch, url, archived, pushed_at, deleted_at)
select core.etl_client_id(), s.* from source s
on conflict (client_id, integration_id, id) do update set
    node_id = excluded.node_id, full_name = excluded.full_name, default_branch = excluded.default_branch,
    url = excluded.url, archived = excluded.archived, pushed_at = excluded.pushed_at, deleted_at = excluded.deleted_at
where (t.node_id, t.full_name, t.default_branch, t.url, t.archived, t.pushed_at, t.deleted_at)
    is distinct from (excluded.node_id, excluded.full_name, excluded.default_branch, excluded.url, excluded.archived,
                      excluded.pushed_at, excluded.deleted_at);
