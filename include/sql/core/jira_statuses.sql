-- One row per status of a Jira site.
select
    client_id, integration_id, id, name, category
from core.issue_statuses t
where exists (
    select from core.integrations i
    where (i.client_id, i.id) = (t.client_id, t.integration_id) and i.integration_type = 'jira');
