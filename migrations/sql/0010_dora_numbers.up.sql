-- Days have a number where something was counted (docs/metrics.md, Scopes): of the client's days, those that said why there
-- was none go. (Days of other scopes older than a quarter leave for the history at the next run.) The owner of the table
-- is bound by its policies too, but for this statement.
alter table core.dora_metrics no force row level security;
delete from core.dora_metrics
where grain = 'day' and scope_type = 'client' and sample_size = 0 and metric_type <> 'deployment_frequency';
alter table core.dora_metrics force row level security;

-- The changes of a period are found by the moment (deployment_changes_latest).
drop index core.deployment_changes_deployed;

-- What the stage writes has no foreign keys to what it has just written, or to the client whose policies let it write: each
-- cost a look-up (and a lock of the client's row) a row. The stage itself removes what hangs on what goes.
alter table core.incident_deployments
    drop constraint incident_deployments_client_id_incident_id_fkey,
    drop constraint incident_deployments_client_id_deployment_id_fkey;
alter table core.incidents drop constraint incidents_client_id_service_id_fkey;
alter table core.incident_references drop constraint incident_references_client_id_incident_id_fkey;
alter table core.rework_evidence drop constraint rework_evidence_client_id_deployment_id_fkey;
alter table core.work_items drop constraint work_items_client_id_fkey;
alter table core.work_status_times drop constraint work_status_times_client_id_fkey;
alter table core.work_metrics drop constraint work_metrics_client_id_fkey;

-- From what was deployed: the latest rows are read by index, however many there are.
create or replace view report.evidence_changes with (security_invoker = true) as
select
    c.client_id, c.id as change_id, l.service_id, s.name as service_name, c.number, c.title, c.url, c.author,
    c.first_commit_at, c.opened_at, c.first_review_at, c.approved_at, c.merged_at, l.deployment_id, l.deployed_at,
    d.url as deployment_url, l.lead_time_hours, c.coding_hours, c.pickup_hours, c.review_hours, l.merge_to_deploy_hours,
    l.deployment_id is not null and l.exclusion_reason is null as in_lead_time,
    case when l.deployment_id is null then 'not deployed' else l.exclusion_reason end as exclusion_reason,
    core.display_text('hours', l.lead_time_hours) as lead_time_text, c.is_bot, c.is_revert, c.is_hotfix,
    c.merge_commit_sha, c.reverts_change_id
from (
    select client_id, change_id, service_id, deployment_id, deployed_at, lead_time_hours, merge_to_deploy_hours, exclusion_reason
    from core.deployment_changes
    union all
    select c.client_id, c.id, c.service_id, null, null, null, null, null
    from core.changes c
    where not exists (select from core.deployment_changes l where (l.client_id, l.change_id) = (c.client_id, c.id))
) l
cross join lateral (
    select * from core.changes x where (x.client_id, x.id) = (l.client_id, l.change_id) offset 0
) c
cross join lateral (
    select x.name from core.services x where (x.client_id, x.id) = (l.client_id, l.service_id) offset 0
) s
left join lateral (
    select x.url from core.deployments x where (x.client_id, x.id) = (l.client_id, l.deployment_id) offset 0
) d on true;
