-- core.services: one service a repository, and one a service that only a custom source knows: a custom source that names a
-- repository's service means that one. A service stays when its repository goes, since past numbers name it.
with named as (
    select r.client_id, 'gh-repo:' || r.integration_id || ':' || r.id as id, split_part(r.full_name, '/', 2) as name,
           r.integration_id, r.id as repository_id
    from core.github_repositories r
    where r.client_id = (select core.etl_client_id())
), custom as (
    select distinct on (lower(c.service)) c.client_id, 'custom:' || lower(c.service) as id, c.service as name
    from (
        select client_id, service from core.custom_deployments where deleted_at is null
        union all select client_id, service from core.custom_changes where deleted_at is null
        union all select client_id, service from core.custom_incidents where deleted_at is null and service is not null
    ) c
    where c.client_id = (select core.etl_client_id())
      and not exists (select from named n where lower(n.name) = lower(c.service))
    order by lower(c.service), c.service
)
insert into core.services as t (client_id, id, name, integration_id, repository_id)
select * from named
union all
select client_id, id, name, null, null from custom
on conflict (client_id, id) do update set name = excluded.name
where t.name <> excluded.name;
