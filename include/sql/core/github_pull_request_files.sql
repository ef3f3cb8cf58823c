-- One row per file that a pull request of GitHub changes.
select
    client_id, integration_id, pull_request_id, path, additions, deletions
from core.pull_request_files t
where exists (
    select from core.integrations i
    where (i.client_id, i.id) = (t.client_id, t.integration_id) and i.integration_type = 'github');
