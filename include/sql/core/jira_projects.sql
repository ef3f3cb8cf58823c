-- One row per project of Jira.
select
    client_id, integration_id, id, key, name, url, deleted_at
from core.projects t
where exists (
    select from core.integrations i
    where (i.client_id, i.id) = (t.client_id, t.integration_id) and i.integration_type = 'jira');
