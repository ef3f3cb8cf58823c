-- Table core.github_deployment_statuses: the statuses of the deployments loaded since the last run.
-- Grain: one row per status of a deployment. A status without an id has its place in the list as one.
-- Per: integration_id, deployment_id
select d.integration_id, d.id as deployment_id, r.payload -> 'statuses' as statuses
from raw.github_deployments r
join core.github_deployments d
  on (d.integration_id, d.id) = (r.integration_id, (r.payload ->> 'databaseId')::bigint)
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
;
select distinct on (t.integration_id, t.deployment_id, v.value ->> 'id')
    t.integration_id,
    t.deployment_id,
    coalesce(v.value ->> 'id', v.ordinality::text) as id,
    lower(v.value ->> 'state') as state,
    coalesce(v.value ->> 'createdAt', v.value ->> 'updatedAt')::timestamptz as created_at,
    nullif(v.value ->> 'logUrl', '') as log_url
from touched t
cross join jsonb_array_elements(t.statuses) with ordinality v
where coalesce(v.value ->> 'createdAt', v.value ->> 'updatedAt') is not null
order by t.integration_id, t.deployment_id, v.value ->> 'id'
