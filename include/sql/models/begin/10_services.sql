-- Statements
-- core.services: one row a repository, a part of a monorepo (setting dora.services), or a name that only a custom source
-- gives: one that names another service means that one. live_services (temporary): those that have a source now (suffix: how
-- the ids of a part's changes end; branches: the pattern of the branches whose merges are changes; by_time: no history of its
-- production branch is known, so that time stands for position); touched_services: those that are new, have changed or have gone.
create temporary table live_services on commit drop as
with repositories as (
    select r.client_id, r.integration_id, r.id as repository_id, split_part(r.full_name, '/', 2) as name, r.full_name,
           r.default_branch
    from core.github_repositories r
    where r.client_id = (select core.etl_client_id())
), parts as (
    select
        r.client_id, 'gh-repo:' || r.integration_id || ':' || r.repository_id || ':' || lower(p ->> 'name') as id,
        ':' || lower(p ->> 'name') as suffix, p ->> 'name' as name, r.integration_id, r.repository_id, r.full_name, r.default_branch,
        core.search_pattern(p -> 'paths') as path_pattern,
        core.search_pattern(coalesce(
            p ->> 'deployments', '\m' || regexp_replace(p ->> 'name', '([^[:alnum:]])', '\\\1', 'g') || '\M')) as deployment_pattern
    from dora_settings s, jsonb_array_elements(s.services) p, repositories r
    where lower(p ->> 'repository') in (lower(r.name), lower(r.full_name))
), named as (
    select r.client_id, 'gh-repo:' || r.integration_id || ':' || r.repository_id as id, '' as suffix, r.name, r.integration_id,
           r.repository_id, r.full_name, r.default_branch as production_branch, null as path_pattern,
           null as deployment_pattern
    from repositories r
    union all
    select client_id, id, suffix, name, integration_id, repository_id, full_name, default_branch, path_pattern,
           deployment_pattern
    from parts
), custom_names as (
    -- (a repository that is renamed may leave its old name to custom records)
    select lower(s.name) as name from core.services s where s.client_id = (select core.etl_client_id())
    union
    select x.service_key
    from dora_taken q
    join core.custom_deployments x on (x.client_id, x.integration_id, x.id) = ((select core.etl_client_id()), q.integration_id, q.key)
    where q.fact = 'custom_deployment'
    union
    select x.service_key
    from dora_taken q
    join core.custom_changes x on (x.client_id, x.integration_id, x.id) = ((select core.etl_client_id()), q.integration_id, q.key)
    where q.fact = 'custom_change'
    union
    select x.service_key
    from dora_taken q
    join core.custom_incidents x on (x.client_id, x.integration_id, x.id) = ((select core.etl_client_id()), q.integration_id, q.key)
    where q.fact = 'custom_incident'
    union
    select service_key from core.custom_deployments
    where (select is_full from dora_settings) and client_id = (select core.etl_client_id())
    union
    select service_key from core.custom_changes
    where (select is_full from dora_settings) and client_id = (select core.etl_client_id())
    union
    select service_key from core.custom_incidents
    where (select is_full from dora_settings) and client_id = (select core.etl_client_id())
), custom as (
    select 'custom:' || n.name as id, least(d.service, c.service, i.service) as name
    from custom_names n
    left join lateral (
        select min(x.service) as service from core.custom_deployments x
        where x.client_id = (select core.etl_client_id()) and x.service_key = n.name and x.deleted_at is null) d on true
    left join lateral (
        select min(x.service) as service from core.custom_changes x
        where x.client_id = (select core.etl_client_id()) and x.service_key = n.name and x.deleted_at is null) c on true
    left join lateral (
        select min(x.service) as service from core.custom_incidents x
        where x.client_id = (select core.etl_client_id()) and x.service_key = n.name and x.deleted_at is null) i on true
    where not exists (select from named k where lower(k.name) = n.name)
)
select n.client_id, id, suffix, name, integration_id, repository_id, full_name, production_branch, path_pattern,
       deployment_pattern,
       path_pattern is null and bool_or(path_pattern is not null) over (partition by integration_id, repository_id) as has_parts,
       -- (a default branch as it is written, in its case; of a repository that tells none, any)
       coalesce(s.production_branches, '(?c)^' || regexp_replace(production_branch, '([^[:alnum:]])', '\\\1', 'g') || '$', '')
           as branches,
       s.production_branches is not null and (production_branch ~* s.production_branches) is not true as by_time
from named n, dora_settings s
union all
select (select core.etl_client_id()), id, '', name, null, null, null, null, null, null, false, null, true
from custom where name is not null;
create index on live_services (id);
create index on live_services (integration_id, repository_id);
analyze live_services;

create temporary table touched_services on commit drop as
select coalesce(l.id, s.id) as id, coalesce(l.integration_id, s.integration_id) as integration_id,
       coalesce(l.repository_id, s.repository_id) as repository_id,
       l.id is null or s.id is null or l.name <> s.name or l.production_branch is distinct from s.production_branch
           as is_looked_up_anew
from live_services l
full join (select * from core.services where client_id = (select core.etl_client_id())) s on s.id = l.id
where l.id is null or s.id is null
   or row(l.name, l.production_branch, l.path_pattern, l.deployment_pattern)
      is distinct from row(s.name, s.production_branch, s.path_pattern, s.deployment_pattern);
analyze touched_services;

merge into core.services as t
using live_services as s on (t.client_id, t.id) = (s.client_id, s.id)
when matched and row(t.name, t.production_branch, t.path_pattern, t.deployment_pattern)
    is distinct from row(s.name, s.production_branch, s.path_pattern, s.deployment_pattern) then update set
    name = s.name, production_branch = s.production_branch, path_pattern = s.path_pattern,
    deployment_pattern = s.deployment_pattern
when not matched then insert
    (client_id, id, name, integration_id, repository_id, production_branch, path_pattern, deployment_pattern)
    values (s.client_id, s.id, s.name, s.integration_id, s.repository_id, s.production_branch, s.path_pattern,
            s.deployment_pattern);
