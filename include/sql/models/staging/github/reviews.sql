-- Table core.reviews: the reviews of the pull requests loaded since the last run.
-- Grain: one row per review. One that is still pending has no submitted_at.
-- Per: integration_id, pull_request_id
select p.integration_id, p.id as pull_request_id, r.payload -> 'reviews' as reviews
from raw.github_pull_requests r
join core.pull_requests p
  on (p.integration_id, p.id) = (r.integration_id, (r.payload ->> 'fullDatabaseId')::bigint)
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
;
select distinct on (t.integration_id, t.pull_request_id, (v ->> 'fullDatabaseId')::bigint)
    t.integration_id,
    t.pull_request_id,
    (v ->> 'fullDatabaseId')::bigint as id,
    v -> 'author' ->> 'login' as author_login,
    coalesce(v -> 'author' ->> '__typename' = 'Bot' or v -> 'author' ->> 'login' like '%[bot]', false) as author_is_bot,
    v ->> 'state' as state,
    (v ->> 'submittedAt')::timestamptz as submitted_at,
    coalesce((v -> 'comments' ->> 'totalCount')::integer, 0) as comment_count
from touched t
cross join jsonb_array_elements(t.reviews) v
order by t.integration_id, t.pull_request_id, (v ->> 'fullDatabaseId')::bigint
