-- One row per review of a pull request of GitHub.
select
    client_id, integration_id, pull_request_id, id, author_login, author_is_bot, state, submitted_at, comment_count
from core.reviews t
where exists (
    select from core.integrations i
    where (i.client_id, i.id) = (t.client_id, t.integration_id) and i.integration_type = 'github');
