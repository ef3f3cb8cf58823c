-- One row per commit of a GitHub repository's default branch.
select
    client_id, integration_id, repository_id, sha, parent_shas, position, is_first_parent, authored_at, committed_at,
    headline, assisted_by
from core.commits t
where exists (
    select from core.integrations i
    where (i.client_id, i.id) = (t.client_id, t.integration_id) and i.integration_type = 'github');
