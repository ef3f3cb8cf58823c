-- One row per changed field of an entry in the changelog of a Jira issue.
select
    client_id, integration_id, issue_id, history_id, item_index, field, field_id, from_id, from_text, to_id, to_text,
    author, created_at
from core.issue_changes t
where exists (
    select from core.integrations i
    where (i.client_id, i.id) = (t.client_id, t.integration_id) and i.integration_type = 'jira');
