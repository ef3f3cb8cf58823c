-- One row per issue of Jira.
select
    client_id, integration_id, id, project_id, key, url, issue_type, summary, description, status, status_category,
    priority, resolution, labels, components, fix_versions, assignee, reporter, parent_key, story_points,
    custom_fields, created_at, updated_at, resolution_at, deleted_at
from core.issues t
where exists (
    select from core.integrations i
    where (i.client_id, i.id) = (t.client_id, t.integration_id) and i.integration_type = 'jira');
