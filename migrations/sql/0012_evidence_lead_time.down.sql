drop view report.evidence_lead_time;
comment on view report.evidence_changes is
    'One row a merged change: behind the lead time and its stages. deployment_id is NULL until it is deployed.';
