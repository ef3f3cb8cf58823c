-- One row per agile board of Jira.
select
    client_id, integration_id, id, name, board_type, project_key, deleted_at
from core.boards t
where exists (
    select from core.integrations i
    where (i.client_id, i.id) = (t.client_id, t.integration_id) and i.integration_type = 'jira');
