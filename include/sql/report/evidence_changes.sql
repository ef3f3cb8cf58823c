-- One row per merged change. deployment_id is NULL until it is deployed.
--
-- The latest changes are found through the index on merged_at, and the service's name is looked up for each (offset 0). With a
-- join, the planner starts with the few services and sorts all changes of the client.
select
    c.client_id, c.id as change_id, c.service_id, s.name as service_name, c.number, c.title, c.url,
    case when c.is_bot then c.author else core.shown_person(c.client_id, c.author) end as author,
    c.first_commit_at, c.opened_at, c.first_review_at, c.approved_at, c.merged_at, l.deployment_id, l.deployed_at,
    coalesce(d.url, d.environment_url) as deployment_url, l.lead_time_hours, c.coding_hours, c.pickup_hours,
    c.review_hours, l.merge_to_deploy_hours,
    l.deployment_id is not null and l.exclusion_reason is null as in_lead_time,
    case when l.deployment_id is null then 'not deployed' else l.exclusion_reason end as exclusion_reason,
    core.display_text('hours', l.lead_time_hours) as lead_time_text, c.is_bot, c.is_revert, c.is_hotfix,
    c.merge_commit_sha, c.reverts_change_id, c.merge_position
from core.changes c
cross join lateral (
    select x.name from core.services x where (x.client_id, x.id) = (c.client_id, c.service_id) offset 0
) s
left join core.deployment_changes l on (l.client_id, l.change_id) = (c.client_id, c.id)
left join core.deployments d on (d.client_id, d.id) = (l.client_id, l.deployment_id);
