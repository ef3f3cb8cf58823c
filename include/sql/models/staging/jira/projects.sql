-- Table core.projects: the projects of the client's Jira integrations, from raw.jira_projects.
-- Grain: one row per project.
-- All of them are read in every run: they are few, and their links follow the address of the integration.
select
    r.integration_id,
    (r.payload ->> 'id')::bigint as id,
    r.payload ->> 'key' as key,
    coalesce(r.payload ->> 'name', r.payload ->> 'key') as name,
    i.base_url || '/browse/' || (r.payload ->> 'key') as url,
    r.deleted_at
from raw.jira_projects r
join core.integrations i on i.id = r.integration_id
