-- Statements
-- core.github_pull_request_reviews: the reviews of each pull request loaded since the last run (a pending one has no
-- submitted_at).
with source as materialized (
    select r.integration_id, (r.payload ->> 'fullDatabaseId')::bigint as pull_request_id, r.payload -> 'reviews' as items
    from raw.github_pull_requests r
    join core.github_pull_requests p
      on (p.client_id, p.integration_id, p.id)
       = (r.client_id, r.integration_id, (r.payload ->> 'fullDatabaseId')::bigint)
    where r.client_id = (select core.etl_client_id())
      and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
), wanted as (
    select distinct on (s.integration_id, s.pull_request_id, (v ->> 'fullDatabaseId')::bigint)
        s.integration_id, s.pull_request_id,
        (v ->> 'fullDatabaseId')::bigint as id,
        v -> 'author' ->> 'login' as author_login,
        coalesce(v -> 'author' ->> '__typename' = 'Bot' or v -> 'author' ->> 'login' like '%[bot]', false) as author_is_bot,
        v ->> 'state' as state,
        (v ->> 'submittedAt')::timestamptz as submitted_at,
        coalesce((v -> 'comments' ->> 'totalCount')::integer, 0) as comment_count
    from source s, jsonb_array_elements(s.items) v
    order by 1, 2, 3
), removed as (
    delete from core.github_pull_request_reviews t
    using source s
    where t.client_id = (select core.etl_client_id())
      and (t.integration_id, t.pull_request_id) = (s.integration_id, s.pull_request_id)
      and not exists (
          select from wanted w
          where (w.integration_id, w.pull_request_id, w.id) = (t.integration_id, t.pull_request_id, t.id))
)
insert into core.github_pull_request_reviews as t
    (client_id, integration_id, pull_request_id, id, author_login, author_is_bot, state, submitted_at, comment_count)
select core.etl_client_id(), w.* from wanted w
on conflict (client_id, integration_id, pull_request_id, id) do update set
    author_login = excluded.author_login, author_is_bot = excluded.author_is_bot, state = excluded.state,
    submitted_at = excluded.submitted_at, comment_count = excluded.comment_count
where t is distinct from excluded;
