-- One row per commit of a pull request of GitHub.
select
    client_id, integration_id, pull_request_id, sha, position, authored_at, committed_at, author_login, headline
from core.pull_request_commits t
where exists (
    select from core.integrations i
    where (i.client_id, i.id) = (t.client_id, t.integration_id) and i.integration_type = 'github');
