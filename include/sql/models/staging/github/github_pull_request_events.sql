-- Statements
-- core.github_pull_request_events: the timeline of each pull request loaded since the last run. event_type is the
-- GraphQL type without its ending Event.
with source as materialized (
    select r.integration_id, (r.payload ->> 'fullDatabaseId')::bigint as pull_request_id,
           r.payload -> 'timelineItems' as items
    from raw.github_pull_requests r
    join core.github_pull_requests p
      on (p.client_id, p.integration_id, p.id)
       = (r.client_id, r.integration_id, (r.payload ->> 'fullDatabaseId')::bigint)
    where r.client_id = (select core.etl_client_id())
      and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
), wanted as (
    select distinct on (s.integration_id, s.pull_request_id, e ->> 'id')
        s.integration_id, s.pull_request_id,
        e ->> 'id' as id,
        regexp_replace(e ->> '__typename', 'Event$', '') as event_type,
        e -> 'actor' ->> 'login' as actor_login,
        (e ->> 'createdAt')::timestamptz as created_at
    from source s, jsonb_array_elements(s.items) e
    where e ->> 'id' is not null and e ->> 'createdAt' is not null
    order by 1, 2, 3
), removed as (
    delete from core.github_pull_request_events t
    using source s
    where t.client_id = (select core.etl_client_id())
      and (t.integration_id, t.pull_request_id) = (s.integration_id, s.pull_request_id)
      and not exists (
          select from wanted w
          where (w.integration_id, w.pull_request_id, w.id) = (t.integration_id, t.pull_request_id, t.id))
)
insert into core.github_pull_request_events as t
    (client_id, integration_id, pull_request_id, id, event_type, actor_login, created_at)
select core.etl_client_id(), w.* from wanted w
on conflict (client_id, integration_id, pull_request_id, id) do update set
    event_type = excluded.event_type, actor_login = excluded.actor_login, created_at = excluded.created_at
where t is distinct from excluded;
