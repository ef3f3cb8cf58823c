-- Temporary table moved_changes: the changes by which an incident may find its cause, as they are and as they were, where
-- this run has changed them, their own commits, or the deployment that delivered them.
-- Grain: one row per version of a change.
select c.id, c.integration_id, c.pull_request_id, c.url, c.merge_commit_sha, c.reverts_change_id, c.issue_keys
from changes_changed m
cross join unnest(array[m.before, m.after]) c
where c.id is not null
union
select c.id, c.integration_id, c.pull_request_id, c.url, c.merge_commit_sha, c.reverts_change_id, c.issue_keys
from (
    select coalesce((after).change_id, (before).change_id) as change_id from deployment_changes_changed
    where (before).deployment_id is distinct from (after).deployment_id
    union
    select l.change_id
    from moved_deployments d
    join core.deployment_changes l on l.deployment_id = d.id
    union
    select v.prefix || '-pr:' || q.integration_id || ':' || q.pull_request_id || v.suffix
    from queued_own_commits q
    join core.pull_requests p on (p.integration_id, p.id) = (q.integration_id, q.pull_request_id)
    join live_services v on (v.integration_id, v.repository_id) = (p.integration_id, p.repository_id)
) m
join core.changes c on c.id = m.change_id
