-- Table core.incidents: what went wrong, when it was reported and resolved, and which service it is of.
-- Grain: one row per incident.
-- Per: id
select 'jira:' || integration_id || ':' || id as id from touched_jira_issues
union
select 'gh-issue:' || integration_id || ':' || id from touched_github_issues
union
select 'custom:' || integration_id || ':' || id from touched_custom where fact = 'custom_incident'
;
select id, service_id, integration_id, source, key, title, url, severity, created_at, resolved_at, resolved_on,
       time_to_restore_hours, is_external
from incident_candidates
