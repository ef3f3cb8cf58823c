-- One row per reason why a production deployment was unplanned: the evidence for the deployment rework rate.
select
    e.client_id, e.deployment_id, d.service_id, s.name as service_name, d.finished_at, coalesce(d.url, d.environment_url) as deployment_url, e.rule,
    e.evidence_id, e.evidence_text, e.evidence_url
from core.rework_evidence e
join core.deployments d on (d.client_id, d.id) = (e.client_id, e.deployment_id)
join core.services s on (s.client_id, s.id) = (d.client_id, d.service_id);
