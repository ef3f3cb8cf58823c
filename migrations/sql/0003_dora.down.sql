drop table core.trust_indicators, core.dora_metrics, core.incident_deployments, core.incidents,
    core.deployment_changes, core.deployments, core.changes, core.services;
