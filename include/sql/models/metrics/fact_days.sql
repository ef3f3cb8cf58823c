-- Temporary table fact_days: the days with facts, of scopes that are recomputed whole. Only such days have numbers, but for
-- the client's deployments, whose days have a frequency of 0 too.
-- Grain: one row per family, scope and day.
with recomputed as (
    select r.family, r.scope_type, r.scope_id, m.service_id
    from recomputed_scopes r
    join scope_services m on (m.scope_type, m.scope_id) = (r.scope_type, r.scope_id)
    union all
    select r.family, 'client', '', v.service_id
    from recomputed_scopes r, (select id as service_id from live_services union all select null) v
    where r.scope_type = 'client'
), days as (
    select s.family, s.service_id, f.day
    from (select distinct family, service_id from recomputed) s
    cross join lateral (
        select d.finished_on as day from core.deployments d
        where s.family = 'deployments' and d.environment_tier = 'production' and d.service_id = s.service_id
        union
        select l.deployed_on from core.deployment_changes l
        where s.family = 'delivery' and l.exclusion_reason is null and l.service_id = s.service_id
        union
        select i.resolved_on from core.incidents i
        where s.family = 'recovery' and i.resolved_on is not null
          and (i.service_id = s.service_id or i.service_id is null and s.service_id is null)
        union
        select d.recovered_on from core.deployments d
        where s.family = 'recovery' and d.recovered_on is not null and d.counts and d.service_id = s.service_id
    ) f
)
select distinct r.family, r.scope_type, r.scope_id, d.day
from recomputed r
join days d on d.family = r.family and d.service_id is not distinct from r.service_id
