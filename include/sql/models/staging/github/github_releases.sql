-- Statements
-- core.github_releases and core.github_tags, loaded since the last run. A release without the commit of its tag takes the
-- tag's.
with typed as (
    select r.integration_id, r.scope_key::bigint as repository_id, r.payload ->> 'name' as name,
           r.payload ->> 'oid' as sha, (r.payload ->> 'taggedAt')::timestamptz as tagged_at, r.deleted_at
    from raw.github_tags r
    where r.client_id = (select core.etl_client_id())
      and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
      and exists (
          select from core.github_repositories g
          where g.client_id = r.client_id and g.integration_id = r.integration_id and g.id = r.scope_key::bigint)
)
insert into core.github_tags as t (client_id, integration_id, repository_id, name, sha, tagged_at, deleted_at)
select core.etl_client_id(), typed.* from typed
on conflict (client_id, integration_id, repository_id, name) do update set
    sha = excluded.sha, tagged_at = excluded.tagged_at, deleted_at = excluded.deleted_at
where t is distinct from excluded;

with typed as (
    select
        r.integration_id,
        (p ->> 'databaseId')::bigint as id,
        r.scope_key::bigint as repository_id,
        p ->> 'tagName' as tag_name,
        coalesce(p -> 'tagCommit' ->> 'oid', g.sha) as sha,
        p ->> 'name' as name,
        coalesce((p ->> 'isPrerelease')::boolean, false) as is_prerelease,
        p ->> 'url' as url,
        (p ->> 'createdAt')::timestamptz as created_at,
        case when not coalesce((p ->> 'isDraft')::boolean, false) then (p ->> 'publishedAt')::timestamptz end as published_at,
        r.deleted_at
    from raw.github_releases r
    cross join lateral (select r.payload as p) payload
    left join core.github_tags g
      on (g.client_id, g.integration_id, g.repository_id, g.name)
       = (r.client_id, r.integration_id, r.scope_key::bigint, p ->> 'tagName')
    where r.client_id = (select core.etl_client_id())
      and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
      and exists (
          select from core.github_repositories g
          where g.client_id = r.client_id and g.integration_id = r.integration_id and g.id = r.scope_key::bigint)
)
insert into core.github_releases as t
    (client_id, integration_id, id, repository_id, tag_name, sha, name, is_prerelease, url, created_at, published_at,
     deleted_at)
select core.etl_client_id(), typed.* from typed
on conflict (client_id, integration_id, id) do update set
    repository_id = excluded.repository_id, tag_name = excluded.tag_name, sha = excluded.sha, name = excluded.name,
    is_prerelease = excluded.is_prerelease, url = excluded.url, created_at = excluded.created_at,
    published_at = excluded.published_at, deleted_at = excluded.deleted_at
where t is distinct from excluded;
