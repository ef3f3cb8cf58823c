-- Table core.commits: the commits of default branches loaded since the last run, from raw.github_commits.
-- Grain: one row per commit of a repository. github_commit_positions.sql gives position and is_first_parent.
-- Keeps: replaced rows
select
    r.integration_id,
    g.id as repository_id,
    r.payload ->> 'oid' as sha,
    array(select jsonb_array_elements_text(r.payload -> 'parents')) as parent_shas,
    (r.payload ->> 'authoredDate')::timestamptz as authored_at,
    (r.payload ->> 'committedDate')::timestamptz as committed_at,
    coalesce(r.payload ->> 'messageHeadline', '') as headline,
    array(select jsonb_array_elements_text(coalesce(r.payload -> 'assistedBy', '[]'))) as assisted_by
from raw.github_commits r
join core.repositories g on (g.integration_id, g.id) = (r.integration_id, r.scope_key::bigint)
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
