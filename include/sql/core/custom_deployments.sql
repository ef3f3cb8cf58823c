-- One row per ended deployment of a custom source.
select
    client_id, integration_id, id, service, environment, result, sha, ref_name, url, created_at, finished_at,
    deleted_at, service_key
from core.reported_deployments t
where exists (
    select from core.integrations i
    where (i.client_id, i.id) = (t.client_id, t.integration_id) and i.integration_type = 'http_json');
