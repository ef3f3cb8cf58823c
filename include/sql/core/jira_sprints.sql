-- One row per sprint of a scrum board of Jira.
select
    client_id, integration_id, id, board_id, name, state, started_at, ends_at, completed_at, deleted_at
from core.sprints t
where exists (
    select from core.integrations i
    where (i.client_id, i.id) = (t.client_id, t.integration_id) and i.integration_type = 'jira');
