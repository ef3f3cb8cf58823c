-- Table core.deployed_branches: the comparisons of deployed commits with the default branch that were loaded since the last
-- run, from raw.github_comparisons.
-- Grain: one row per deployed commit. base_sha is null where GitHub does not know the commit.
select
    r.integration_id,
    g.id as repository_id,
    r.payload ->> 'oid' as sha,
    r.payload ->> 'mergeBase' as base_sha,
    (r.payload ->> 'total')::integer as commit_count
from raw.github_comparisons r
join core.repositories g on (g.integration_id, g.id) = (r.integration_id, r.scope_key::bigint)
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
