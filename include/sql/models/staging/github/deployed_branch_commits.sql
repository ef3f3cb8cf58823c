-- Table core.deployed_branch_commits: the commits of the deployed branches that were loaded since the last run.
-- Grain: one row per commit of a branch. picked_from: the commits that its message names in the words of git cherry-pick -x.
-- Per: integration_id, repository_id, sha
select b.integration_id, b.repository_id, b.sha, r.payload -> 'commits' as commits
from raw.github_comparisons r
join core.deployed_branches b
  on (b.integration_id, b.repository_id, b.sha) = (r.integration_id, r.scope_key::bigint, r.payload ->> 'oid')
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
;
select distinct on (t.integration_id, t.repository_id, t.sha, c ->> 'oid')
    t.integration_id,
    t.repository_id,
    t.sha,
    c ->> 'oid' as commit_sha,
    (c ->> 'authoredDate')::timestamptz as authored_at,
    coalesce(c ->> 'messageHeadline', '') as headline,
    array(select jsonb_array_elements_text(c -> 'pickedFrom') order by 1) as picked_from
from touched t
cross join jsonb_array_elements(t.commits) c
order by t.integration_id, t.repository_id, t.sha, c ->> 'oid'
