-- Temporary table touched_services: the services that are new, have changed or have gone since the last run.
-- Grain: one row per service. is_renamed: records that name their service may mean another one now.
select coalesce(l.id, s.id) as id, coalesce(l.integration_id, s.integration_id) as integration_id,
       coalesce(l.repository_id, s.repository_id) as repository_id,
       l.id is null or s.id is null or l.name <> s.name or l.production_branch is distinct from s.production_branch
           as is_renamed
from live_services l
full join core.services s on s.id = l.id
where l.id is null or s.id is null
   or row(l.name, l.production_branch, l.path_pattern, l.deployment_pattern)
      is distinct from row(s.name, s.production_branch, s.path_pattern, s.deployment_pattern)
