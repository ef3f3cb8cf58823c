-- One row per link from a Jira issue to another.
select
    client_id, integration_id, issue_id, id, link_type, direction, other_key
from core.issue_links t
where exists (
    select from core.integrations i
    where (i.client_id, i.id) = (t.client_id, t.integration_id) and i.integration_type = 'jira');
