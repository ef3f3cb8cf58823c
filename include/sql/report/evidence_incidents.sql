-- One row per incident: the evidence for the recovery times, with the deployment that caused it and how that is known.
select
    i.client_id, i.id as incident_id, i.key, i.title, i.url, i.severity, i.service_id, s.name as service_name,
    i.created_at, i.resolved_at, l.deployment_id as caused_by_deployment_id, d.finished_at as deployment_finished_at,
    l.method, l.confidence, i.time_to_restore_hours, l.recovery_hours,
    core.display_text('hours', l.recovery_hours) as recovery_text,
    core.display_text('hours', i.time_to_restore_hours) as restore_text,
    case l.method
        when 'explicit' then core.say('yes, the incident names it')
        when 'fix_reverts' then core.say('yes, its change was undone')
        when 'linked_issue' then core.say('yes, by a linked issue')
        when 'fix_version' then core.say('likely, by the version that fixed it')
        when 'time_window' then core.say('likely, the last one before')
    end as method_text,
    coalesce(d.url, d.environment_url) as deployment_url, i.is_external
from core.incidents i
left join core.services s on (s.client_id, s.id) = (i.client_id, i.service_id)
left join core.incident_deployments l on (l.client_id, l.incident_id) = (i.client_id, i.id)
left join core.deployments d on (d.client_id, d.id) = (l.client_id, l.deployment_id);
