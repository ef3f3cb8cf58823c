-- One row per deployed change: the evidence for the lead time and its stages. evidence_changes also has the changes that are
-- not deployed yet.
--
-- In the order of their deployment, by the index on deployed_at. In evidence_changes the planner cannot know that each change
-- of a client has one link: it expects a hundredth of the join's rows, and sorts all of them. Here each row is looked up from
-- its link (offset 0), whatever the planner expects.
select
    l.client_id, l.change_id, l.service_id, s.name as service_name, c.number, c.title, c.url,
    case when c.is_bot then c.author else core.shown_person(c.client_id, c.author) end as author,
    c.first_commit_at, c.opened_at, c.first_review_at, c.approved_at, c.merged_at, l.deployment_id, l.deployed_at,
    d.url as deployment_url, l.lead_time_hours, c.coding_hours, c.pickup_hours, c.review_hours, l.merge_to_deploy_hours,
    l.exclusion_reason is null as in_lead_time, l.exclusion_reason,
    core.display_text('hours', l.lead_time_hours) as lead_time_text, c.is_bot, c.is_revert, c.is_hotfix,
    c.merge_commit_sha, c.reverts_change_id, c.merge_position
from core.deployment_changes l
cross join lateral (
    select x.* from core.changes x where (x.client_id, x.id) = (l.client_id, l.change_id) offset 0
) c
cross join lateral (
    select x.name from core.services x where (x.client_id, x.id) = (l.client_id, l.service_id) offset 0
) s
cross join lateral (
    select coalesce(x.url, x.environment_url) as url from core.deployments x where (x.client_id, x.id) = (l.client_id, l.deployment_id) offset 0
) d;
