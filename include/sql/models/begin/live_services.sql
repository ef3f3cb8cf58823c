-- Temporary table live_services: the services that have a source now.
-- Grain: one row per repository, per part of a monorepo (setting dora.services), and per name that only records without a
-- repository give. Such a name that is another service's means that service.
-- prefix: how the ids of its source's facts begin. suffix: how the ids of a part's changes end. branches: the pattern of the
-- branches whose merges are changes. by_time: the history of its production branch is not known, so time takes the place of
-- a position in it.
-- Index: (id), (integration_id, repository_id)
with repositories as (
    select r.integration_id, r.id as repository_id, split_part(r.full_name, '/', 2) as name, r.full_name,
           r.default_branch, x.prefix, x.prefix || '-repo:' || r.integration_id || ':' || r.id as service_id
    from core.repositories r
    join sources x on x.integration_id = r.integration_id
), named as (
    select service_id as id, prefix, '' as suffix, name, integration_id, repository_id, full_name,
           default_branch as production_branch, null as path_pattern, null as deployment_pattern
    from repositories
    union all
    select r.service_id || ':' || lower(p ->> 'name'), r.prefix, ':' || lower(p ->> 'name'), p ->> 'name', r.integration_id,
           r.repository_id, r.full_name, r.default_branch, core.search_pattern(p -> 'paths'),
           core.search_pattern(coalesce(
               p ->> 'deployments', '\m' || regexp_replace(p ->> 'name', '([^[:alnum:]])', '\\\1', 'g') || '\M'))
    from settings s, jsonb_array_elements(s.services) p, repositories r
    where lower(p ->> 'repository') in (lower(r.name), lower(r.full_name))
), records as not materialized (
    select 'reported_deployment' as fact, integration_id, id as external_id, service_key, service as service_name, deleted_at
    from core.reported_deployments
    union all
    select 'pull_request', integration_id, external_id, service_key, service_name, deleted_at
    from core.pull_requests where service_key is not null
    union all
    select 'issue', integration_id, external_id, service_key, service_name, deleted_at
    from core.issues where service_key is not null
), reported_names as (
    -- A renamed repository may leave its old name to such records.
    select lower(name) as name from core.services
    union
    select r.service_key
    from queue q
    join records r on (r.fact, r.integration_id, r.external_id) = (q.fact, q.integration_id, q.external_id)
    union
    select service_key from records where (select is_full from settings)
), reported as (
    select n.name as key, (
               select min(r.service_name) from records r where r.service_key = n.name and r.deleted_at is null) as name
    from reported_names n
    where not exists (select from named k where lower(k.name) = n.name)
)
select id, prefix, suffix, name, integration_id, repository_id, full_name, lower(full_name) as full_key, production_branch, path_pattern, deployment_pattern,
       path_pattern is null
           and bool_or(path_pattern is not null) over (partition by integration_id, repository_id) as has_parts,
       -- A default branch is matched as it is written, in its case. Where it is not known, any branch is.
       coalesce(
           s.production_branches,
           '(?c)^' || regexp_replace(production_branch, '([^[:alnum:]])', '\\\1', 'g') || '$', '') as branches,
       s.production_branches is not null and (production_branch ~* s.production_branches) is not true as by_time
from named n, settings s
union all
select 'custom:' || key, 'custom', '', name, null, null, null, null, null, null, null, false, null, true
from reported
where name is not null
