-- Statements
-- core.github_pull_request_commits: the commits of each pull request loaded since the last run; a force push replaces
-- them, so those that are gone upstream go here.
with source as materialized (
    select r.integration_id, (r.payload ->> 'fullDatabaseId')::bigint as pull_request_id, r.payload -> 'commits' as items
    from raw.github_pull_requests r
    join core.github_pull_requests p
      on (p.client_id, p.integration_id, p.id)
       = (r.client_id, r.integration_id, (r.payload ->> 'fullDatabaseId')::bigint)
    where r.client_id = (select core.etl_client_id())
      and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
), wanted as (
    select distinct on (s.integration_id, s.pull_request_id, c.value ->> 'oid')
        s.integration_id, s.pull_request_id,
        c.value ->> 'oid' as sha,
        c.ordinality::integer as position,
        (c.value ->> 'authoredDate')::timestamptz as authored_at,
        (c.value ->> 'committedDate')::timestamptz as committed_at,
        c.value -> 'author' -> 'user' ->> 'login' as author_login,
        coalesce(c.value ->> 'messageHeadline', '') as headline
    from source s, jsonb_array_elements(s.items) with ordinality c
    order by 1, 2, 3, c.ordinality
), removed as (
    delete from core.github_pull_request_commits t
    using source s
    where t.client_id = (select core.etl_client_id())
      and (t.integration_id, t.pull_request_id) = (s.integration_id, s.pull_request_id)
      and not exists (
          select from wanted w
          where (w.integration_id, w.pull_request_id, w.sha) = (t.integration_id, t.pull_request_id, t.sha))
)
insert into core.github_pull_request_commits as t
    (client_id, integration_id, pull_request_id, sha, position, authored_at, committed_at, author_login, headline)
select core.etl_client_id(), w.* from wanted w
on conflict (client_id, integration_id, pull_request_id, sha) do update set
    position = excluded.position, authored_at = excluded.authored_at, committed_at = excluded.committed_at,
    author_login = excluded.author_login, headline = excluded.headline
where t is distinct from excluded;
