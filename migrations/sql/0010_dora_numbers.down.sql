create index deployment_changes_deployed on core.deployment_changes (client_id, deployed_on);
