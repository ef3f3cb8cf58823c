-- One row per merged change of a custom source.
select
    client_id, integration_id, external_id as id, service_name as service, title, author_login as author, url,
    first_authored_at as first_commit_at, created_at as opened_at, merged_at, merge_commit_sha as merge_sha,
    deleted_at, service_key, first_review_at, approved_at
from core.pull_requests t
where exists (
    select from core.integrations i
    where (i.client_id, i.id) = (t.client_id, t.integration_id) and i.integration_type = 'http_json');
