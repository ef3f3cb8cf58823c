-- Statements
-- core.github_deployment_statuses: the statuses of each deployment loaded since the last run.
with source as materialized (
    select r.integration_id, (r.payload ->> 'databaseId')::bigint as deployment_id, r.payload -> 'statuses' as items
    from raw.github_deployments r
    join core.github_deployments d
      on (d.client_id, d.integration_id, d.id) = (r.client_id, r.integration_id, (r.payload ->> 'databaseId')::bigint)
    where r.client_id = (select core.etl_client_id())
      and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
), wanted as (
    select distinct on (s.integration_id, s.deployment_id, v.value ->> 'id')
        s.integration_id, s.deployment_id,
        coalesce(v.value ->> 'id', v.ordinality::text) as id,
        lower(v.value ->> 'state') as state,
        coalesce(v.value ->> 'createdAt', v.value ->> 'updatedAt')::timestamptz as created_at,
        nullif(v.value ->> 'logUrl', '') as log_url
    from source s, jsonb_array_elements(s.items) with ordinality v
    where coalesce(v.value ->> 'createdAt', v.value ->> 'updatedAt') is not null
    order by 1, 2, v.value ->> 'id'
), removed as (
    delete from core.github_deployment_statuses t
    using source s
    where t.client_id = (select core.etl_client_id())
      and (t.integration_id, t.deployment_id) = (s.integration_id, s.deployment_id)
      and not exists (
          select from wanted w
          where (w.integration_id, w.deployment_id, w.id) = (t.integration_id, t.deployment_id, t.id))
)
insert into core.github_deployment_statuses as t
    (client_id, integration_id, deployment_id, id, state, created_at, log_url)
select core.etl_client_id(), w.* from wanted w
on conflict (client_id, integration_id, deployment_id, id) do update set
    state = excluded.state, created_at = excluded.created_at, log_url = excluded.log_url
where t is distinct from excluded;
