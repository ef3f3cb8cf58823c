-- Columns of core.deployments: which release a deployment is part of, and whether it counts in the frequency.
-- Grain: one row per deployment that moved, or is of a service's version that moved.
-- One version in several production environments, each within dora.release_window_hours after the one before, is one release.
-- Its first deployment counts. Redeployments and rollbacks are not releases.
with moved_versions as (
    select distinct service_id, version from moved_deployments where version is not null
), affected as (
    select d.id
    from moved_versions m
    cross join lateral (
        select x.id from core.deployments x where x.version = m.version and x.service_id = m.service_id offset 0
    ) d
    union
    select coalesce((after).id, (before).id) from deployments_changed
    union
    select id from core.deployments where (select is_full from settings)
), releases as (
    select d.id, d.service_id, coalesce(d.version, d.id) as version, d.finished_at,
           coalesce(d.finished_at - lag(d.finished_at) over by_time <= s.release_window, false) as is_part
    from affected a
    join core.deployments d on d.id = a.id and d.kind = 'release'
    cross join settings s
    window by_time as (partition by d.service_id, coalesce(d.version, d.id) order by d.finished_at, d.id)
), numbered as (
    select *, count(*) filter (where not is_part) over (
        partition by service_id, version order by finished_at, id rows unbounded preceding) as release_no
    from releases
), led as (
    select id, first_value(id) over (
        partition by service_id, version, release_no order by finished_at, id) as release_id
    from numbered
)
select d.id, r.release_id,
       coalesce(r.release_id = d.id or d.kind in ('redeployment', 'rollback') and s.count_redeployments, false) as counts
from affected a
join core.deployments d on d.id = a.id
cross join settings s
left join led r on r.id = d.id
