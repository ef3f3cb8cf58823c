-- Table core.pull_request_files: the files that the pull requests loaded since the last run change.
-- Grain: one row per path of a pull request; none unless the integration asks for files (pull_request_files).
-- Per: integration_id, pull_request_id
select p.integration_id, p.id as pull_request_id, r.payload -> 'files' as files
from raw.github_pull_requests r
join core.pull_requests p
  on (p.integration_id, p.id) = (r.integration_id, (r.payload ->> 'fullDatabaseId')::bigint)
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
;
select distinct on (t.integration_id, t.pull_request_id, f ->> 'path')
    t.integration_id,
    t.pull_request_id,
    f ->> 'path' as path,
    coalesce((f ->> 'additions')::integer, 0) as additions,
    coalesce((f ->> 'deletions')::integer, 0) as deletions
from touched t
cross join jsonb_array_elements(t.files) f
where f ->> 'path' is not null
order by t.integration_id, t.pull_request_id, f ->> 'path'
