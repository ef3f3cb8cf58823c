create or replace view report.evidence_changes with (security_invoker = true) as
select
    c.client_id, c.id as change_id, c.service_id, s.name as service_name, c.number, c.title, c.url, c.author,
    c.first_commit_at, c.opened_at, c.first_review_at, c.approved_at, c.merged_at, l.deployment_id, l.deployed_at,
    d.url as deployment_url, l.lead_time_hours, c.coding_hours, c.pickup_hours, c.review_hours, l.merge_to_deploy_hours,
    l.deployment_id is not null and l.exclusion_reason is null as in_lead_time,
    case when l.deployment_id is null then 'not deployed' else l.exclusion_reason end as exclusion_reason,
    core.display_text('hours', l.lead_time_hours) as lead_time_text, c.is_bot, c.is_revert, c.is_hotfix,
    c.merge_commit_sha, c.reverts_change_id
from core.changes c
cross join lateral (
    select x.name from core.services x where (x.client_id, x.id) = (c.client_id, c.service_id) offset 0
) s
left join core.deployment_changes l on (l.client_id, l.change_id) = (c.client_id, c.id)
left join core.deployments d on (d.client_id, d.id) = (l.client_id, l.deployment_id);
alter table core.work_metrics add constraint work_metrics_client_id_fkey foreign key (client_id) references core.clients (id);
alter table core.work_status_times add constraint work_status_times_client_id_fkey
    foreign key (client_id) references core.clients (id);
alter table core.work_items add constraint work_items_client_id_fkey foreign key (client_id) references core.clients (id);
alter table core.rework_evidence add constraint rework_evidence_client_id_deployment_id_fkey
    foreign key (client_id, deployment_id) references core.deployments (client_id, id) on delete cascade;
alter table core.incidents add constraint incidents_client_id_service_id_fkey
    foreign key (client_id, service_id) references core.services (client_id, id);
alter table core.incident_references add constraint incident_references_client_id_incident_id_fkey
    foreign key (client_id, incident_id) references core.incidents (client_id, id) on delete cascade;
alter table core.incident_deployments
    add constraint incident_deployments_client_id_incident_id_fkey
        foreign key (client_id, incident_id) references core.incidents (client_id, id) on delete cascade,
    add constraint incident_deployments_client_id_deployment_id_fkey
        foreign key (client_id, deployment_id) references core.deployments (client_id, id) on delete cascade;
create index deployment_changes_deployed on core.deployment_changes (client_id, deployed_on);
