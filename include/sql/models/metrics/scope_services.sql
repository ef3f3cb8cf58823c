-- Temporary table scope_services: which services a scope has: a service, a team, or a repository with parts.
-- Grain: one row per scope and service. (The client has all, and what has no service.)
-- Index: (scope_type, scope_id), (service_id)
select 'service' as scope_type, id as scope_id, id as service_id from live_services
union all
select distinct 'team', t ->> 'name', v.id
from settings s, jsonb_array_elements(s.teams) t, jsonb_array_elements_text(t -> 'services') pattern, live_services v
where v.name ~* core.search_pattern(pattern)
union all
select 'repository', v.prefix || '-repo:' || v.integration_id || ':' || v.repository_id, v.id
from live_services v
where exists (select from live_services o
              where (o.integration_id, o.repository_id) = (v.integration_id, v.repository_id) and o.has_parts)
