-- Temporary table scope_services: which services a scope has: a service, a team, or a repository with parts. A project of the
-- issue tracker has its own items; their service_id is its key.
-- Grain: one row per scope and service. (The client has all, and what has no service.)
-- Index: (scope_type, scope_id), (service_id)
select 'service' as scope_type, id as scope_id, id as service_id from live_services
union all
select distinct team, team_id, service_id
from (
    select 'team' as team, t ->> 'name' as team_id, v.id as service_id, p.is_plain, length(p.pattern) as length,
           max(length(p.pattern)) filter (where p.is_plain) over (partition by v.id) as longest
    from settings s
    cross join jsonb_array_elements(s.teams) t
    cross join lateral (
        select x as pattern, x ~ '^[[:alnum:]_-]+$' as is_plain from jsonb_array_elements_text(t -> 'services') x
    ) p
    join live_services v
      on v.name ~* case when p.is_plain then '\m' || p.pattern || '\M' else core.search_pattern(p.pattern) end
) named
-- A plain name is whole words. Of api and api-gateway, the longer one has the service; patterns have all that they match.
where not is_plain or length = longest
union all
select 'repository', v.prefix || '-repo:' || v.integration_id || ':' || v.repository_id, v.id
from live_services v
where exists (select from live_services o
              where (o.integration_id, o.repository_id) = (v.integration_id, v.repository_id) and o.has_parts)
union all
select distinct 'project', key, key from core.projects
