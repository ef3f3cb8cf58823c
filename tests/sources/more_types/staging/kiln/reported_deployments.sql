-- Table core.reported_deployments: the rollouts of Kiln loaded since the last run, from raw.kiln_entries.
-- Grain: one row per ended rollout. Kiln has one environment, and keeps no rollout that did not succeed.
select
    r.integration_id,
    r.record_id as id,
    r.payload ->> 'app' as service,
    'production' as environment,
    'success' as result,
    r.payload ->> 'rev' as sha,
    (r.payload ->> 'from')::timestamptz as created_at,
    (r.payload ->> 'to')::timestamptz as finished_at,
    r.deleted_at
from raw.kiln_entries r
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
  and r.payload ->> 'what' = 'rollout'
