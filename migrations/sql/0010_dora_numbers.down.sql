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
