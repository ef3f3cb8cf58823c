-- Table core.pull_request_events: the timeline of the pull requests loaded since the last run.
-- Grain: one row per event. event_type is GitHub's GraphQL type without the ending Event.
-- Per: integration_id, pull_request_id
select p.integration_id, p.id as pull_request_id, r.payload -> 'timelineItems' as events
from raw.github_pull_requests r
join core.pull_requests p
  on (p.integration_id, p.id) = (r.integration_id, (r.payload ->> 'fullDatabaseId')::bigint)
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
;
select distinct on (t.integration_id, t.pull_request_id, e ->> 'id')
    t.integration_id,
    t.pull_request_id,
    e ->> 'id' as id,
    regexp_replace(e ->> '__typename', 'Event$', '') as event_type,
    e -> 'actor' ->> 'login' as actor_login,
    (e ->> 'createdAt')::timestamptz as created_at
from touched t
cross join jsonb_array_elements(t.events) e
where e ->> 'id' is not null and e ->> 'createdAt' is not null
order by t.integration_id, t.pull_request_id, e ->> 'id'
