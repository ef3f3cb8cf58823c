-- Statements
-- core.github_deployments and their statuses, loaded since the last run. first_success_at and first_failure_at are the
-- first status of the kind: a later 'inactive' says only that another deployment took over.
with source as materialized (
    select r.integration_id, r.scope_key::bigint as repository_id, r.payload as p, r.deleted_at
    from raw.github_deployments r
    where r.client_id = (select core.etl_client_id())
      and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
      and exists (
          select from core.github_repositories g
          where g.client_id = r.client_id and g.integration_id = r.integration_id and g.id = r.scope_key::bigint)
), typed as (
    select
        s.integration_id,
        (p ->> 'databaseId')::bigint as id,
        s.repository_id,
        coalesce(p ->> 'environment', '') as environment,
        coalesce(p ->> 'task', 'deploy') as task,
        p ->> 'commitOid' as sha,
        p -> 'ref' ->> 'name' as ref_name,
        coalesce(p ->> 'description', '') as description,
        lower(p ->> 'state') as state,
        statuses.url,
        p -> 'creator' ->> 'login' as creator_login,
        (p ->> 'createdAt')::timestamptz as created_at,
        (p ->> 'updatedAt')::timestamptz as updated_at,
        statuses.first_success_at,
        statuses.first_failure_at,
        s.deleted_at
    from source s
    left join lateral (
        select min(coalesce(v ->> 'createdAt', v ->> 'updatedAt')::timestamptz)
                   filter (where v ->> 'state' = 'SUCCESS') as first_success_at,
               min(coalesce(v ->> 'createdAt', v ->> 'updatedAt')::timestamptz)
                   filter (where v ->> 'state' in ('FAILURE', 'ERROR')) as first_failure_at,
               max(coalesce(nullif(v ->> 'logUrl', ''), nullif(v ->> 'environmentUrl', ''))) as url
        from jsonb_array_elements(p -> 'statuses') v
    ) statuses on true
)
insert into core.github_deployments as t
    (client_id, integration_id, id, repository_id, environment, task, sha, ref_name, description, state, url,
     creator_login, created_at, updated_at, first_success_at, first_failure_at, deleted_at)
select core.etl_client_id(), typed.* from typed
on conflict (client_id, integration_id, id) do update set
    repository_id = excluded.repository_id, environment = excluded.environment, task = excluded.task,
    sha = excluded.sha, ref_name = excluded.ref_name, description = excluded.description, state = excluded.state,
    url = excluded.url, creator_login = excluded.creator_login, created_at = excluded.created_at,
    updated_at = excluded.updated_at, first_success_at = excluded.first_success_at,
    first_failure_at = excluded.first_failure_at, deleted_at = excluded.deleted_at
where t is distinct from excluded;
