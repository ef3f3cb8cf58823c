-- Statements
-- core.github_pull_request_files: the paths that each pull request changes, for those loaded since the last run. Filled where
-- the client's integration asks for them (pull_request_files).
with source as materialized (
    select r.integration_id, (r.payload ->> 'fullDatabaseId')::bigint as pull_request_id, r.payload -> 'files' as files
    from raw.github_pull_requests r
    join core.github_pull_requests p
      on (p.client_id, p.integration_id, p.id)
       = (r.client_id, r.integration_id, (r.payload ->> 'fullDatabaseId')::bigint)
    where r.client_id = (select core.etl_client_id())
      and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
), wanted as (
    select distinct on (s.integration_id, s.pull_request_id, f ->> 'path')
        s.integration_id, s.pull_request_id, f ->> 'path' as path,
        coalesce((f ->> 'additions')::integer, 0) as additions, coalesce((f ->> 'deletions')::integer, 0) as deletions
    from source s, jsonb_array_elements(coalesce(s.files, '[]')) f
    where f ->> 'path' is not null
    order by 1, 2, 3
), removed as (
    delete from core.github_pull_request_files t
    using source s
    where t.client_id = (select core.etl_client_id())
      and (t.integration_id, t.pull_request_id) = (s.integration_id, s.pull_request_id)
      and not exists (
          select from wanted w
          where (w.integration_id, w.pull_request_id, w.path) = (t.integration_id, t.pull_request_id, t.path))
)
insert into core.github_pull_request_files as t (client_id, integration_id, pull_request_id, path, additions, deletions)
select core.etl_client_id(), w.* from wanted w
on conflict (client_id, integration_id, pull_request_id, path) do update set
    additions = excluded.additions, deletions = excluded.deletions
where t is distinct from excluded;
