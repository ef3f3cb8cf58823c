-- Table core.github_deployments: the deployments loaded since the last run, from raw.github_deployments.
-- Grain: one row per deployment.
-- first_success_at and first_failure_at are of the first status of their kind: a later 'inactive' only says that another
-- deployment took over.
select
    r.integration_id,
    (p ->> 'databaseId')::bigint as id,
    g.id as repository_id,
    coalesce(p ->> 'environment', '') as environment,
    coalesce(p ->> 'task', 'deploy') as task,
    p ->> 'commitOid' as sha,
    p -> 'ref' ->> 'name' as ref_name,
    coalesce(p ->> 'description', '') as description,
    lower(p ->> 'state') as state,
    statuses.url,
    statuses.environment_url,
    p -> 'creator' ->> 'login' as creator_login,
    (p ->> 'createdAt')::timestamptz as created_at,
    (p ->> 'updatedAt')::timestamptz as updated_at,
    statuses.first_success_at,
    statuses.first_failure_at,
    r.deleted_at
from raw.github_deployments r
join core.repositories g on (g.integration_id, g.id) = (r.integration_id, r.scope_key::bigint)
cross join lateral (select r.payload as p) payload
cross join lateral (
    select min(s.at) filter (where s.state = 'SUCCESS') as first_success_at,
           min(s.at) filter (where s.state in ('FAILURE', 'ERROR')) as first_failure_at,
           max(s.url) as url, max(s.environment_url) as environment_url
    from (
        select v ->> 'state' as state,
               coalesce(v ->> 'createdAt', v ->> 'updatedAt')::timestamptz as at,
               nullif(v ->> 'logUrl', '') as url, nullif(v ->> 'environmentUrl', '') as environment_url
        from jsonb_array_elements(p -> 'statuses') v
    ) s
) statuses
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
