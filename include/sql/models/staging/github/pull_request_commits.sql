-- Table core.pull_request_commits: the commits of the pull requests loaded since the last run.
-- Grain: one row per commit of a pull request; position is its place in it. A force push replaces them.
-- Per: integration_id, pull_request_id
select p.integration_id, p.id as pull_request_id, r.payload -> 'commits' as commits
from raw.github_pull_requests r
join core.pull_requests p
  on (p.integration_id, p.id) = (r.integration_id, (r.payload ->> 'fullDatabaseId')::bigint)
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
;
select distinct on (t.integration_id, t.pull_request_id, c.value ->> 'oid')
    t.integration_id,
    t.pull_request_id,
    c.value ->> 'oid' as sha,
    c.ordinality::integer as position,
    (c.value ->> 'authoredDate')::timestamptz as authored_at,
    (c.value ->> 'committedDate')::timestamptz as committed_at,
    c.value -> 'author' -> 'user' ->> 'login' as author_login,
    coalesce(c.value ->> 'messageHeadline', '') as headline
from touched t
cross join jsonb_array_elements(t.commits) with ordinality c
order by t.integration_id, t.pull_request_id, c.value ->> 'oid', c.ordinality
