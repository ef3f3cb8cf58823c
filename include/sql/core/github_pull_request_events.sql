-- One row per event of a pull request of GitHub.
select
    client_id, integration_id, pull_request_id, id, event_type, actor_login, created_at
from core.pull_request_events t
where exists (
    select from core.integrations i
    where (i.client_id, i.id) = (t.client_id, t.integration_id) and i.integration_type = 'github');
