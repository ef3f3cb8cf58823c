-- One row per repository of GitHub.
select
    client_id, integration_id, id, node_id, full_name, default_branch, url, archived, pushed_at, deleted_at
from core.repositories t
where exists (
    select from core.integrations i
    where (i.client_id, i.id) = (t.client_id, t.integration_id) and i.integration_type = 'github');
