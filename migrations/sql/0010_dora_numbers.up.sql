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
