-- Temporary table moved_contents: the commits whose changes a deployed branch holds, where this run has changed that, or one of
-- its deployments.
-- Grain: one row per service and commit.
select v.id as service_id, v.integration_id, v.repository_id, u.holds_sha as sha
from held_commits_changed c
cross join unnest(array[c.before, c.after]) u
join live_services v on (v.integration_id, v.repository_id) = (u.integration_id, u.repository_id)
union
select v.id, v.integration_id, v.repository_id, h.holds_sha
from (select distinct service_id, sha from moved_deployments where sha is not null) d
join live_services v on v.id = d.service_id
cross join lateral (
    select h.holds_sha from core.held_commits h
    where (h.integration_id, h.repository_id, h.sha) = (v.integration_id, v.repository_id, d.sha)
    offset 0
) h
