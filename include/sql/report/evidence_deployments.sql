-- One row per completed deployment: the evidence for deployment frequency, change failure rate and rework rate.
select
    d.client_id, d.id as deployment_id, d.service_id, s.name as service_name, d.environment, d.environment_tier,
    d.source, d.result, d.sha, d.ref_name, coalesce(d.url, d.environment_url) as url, d.finished_at, d.is_baseline, d.is_rollback, d.is_rework,
    d.rework_reason, d.failed_change, d.failure_reason, d.incident_keys, d.change_count, d.created_at, d.rolled_back_by,
    d.position, d.contains_after, d.kind, d.is_trial, d.release_id, d.counts, d.is_guess, d.recovered_at, d.recovered_on,
    d.recovery_hours, core.display_text('hours', d.recovery_hours) as recovery_text
from core.deployments d
join core.services s on (s.client_id, s.id) = (d.client_id, d.service_id);
