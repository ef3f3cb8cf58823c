-- Table core.incidents: what went wrong, when it was reported and resolved, and which service it is of.
-- Grain: one row per incident.
-- Per: id
select incident_id as id from touched_issues
;
select id, service_id, integration_id, source, key, title, url, severity, created_at, resolved_at, resolved_on,
       time_to_restore_hours, calendar_hours, is_external
from incident_candidates
