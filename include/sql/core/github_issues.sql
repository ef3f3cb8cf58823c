-- One row per issue of a GitHub repository.
select
    client_id, integration_id, id, repository_id, number, summary as title, description as body, status as state,
    labels, reporter as author_login, url, created_at, updated_at, resolution_at as closed_at, deleted_at
from core.issues t
where exists (
    select from core.integrations i
    where (i.client_id, i.id) = (t.client_id, t.integration_id) and i.integration_type = 'github');
