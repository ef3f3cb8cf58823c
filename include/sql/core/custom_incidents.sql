-- One row per incident of a custom source.
select
    client_id, integration_id, external_id as id, key, summary as title, description, service_name as service,
    priority as severity, url, created_at, resolution_at as resolved_at, deleted_at, service_key
from core.issues t
where exists (
    select from core.integrations i
    where (i.client_id, i.id) = (t.client_id, t.integration_id) and i.integration_type = 'http_json');
