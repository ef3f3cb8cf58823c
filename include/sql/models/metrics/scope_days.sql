-- Temporary table scope_days: from which day on a scope has numbers of a family.
-- Grain: one row per scope and family. kind_day: of its first event of the family; success_day: of its first release
-- that counts; members: its services (with others it is another scope); scope_no: 1 is the client.
-- Index: (scope_type, scope_id, family)
with memberships as (
    select scope_type, scope_id, string_agg(service_id, ' ' order by service_id) as members
    from scope_services where scope_type <> 'service' group by 1, 2
), by_service as (
    select v.id as service_id, f.*
    from live_services v
    cross join lateral (
        select 'deployments' as family,
               (select min(d.finished_on) from core.deployments d
                where (d.service_id, d.environment_tier) = (v.id, 'production')) as first_day,
               (select d.finished_on from core.deployments d
                where (d.service_id, d.environment_tier) = (v.id, 'production') and d.counts
                order by d.finished_on limit 1) as success_day
        union all
        select 'delivery', (
            select l.deployed_on from core.deployment_changes l
            where l.service_id = v.id and l.exclusion_reason is null order by l.deployed_on limit 1), null
        union all
        select 'recovery', least(
            (select min(i.resolved_on) from core.incidents i where i.service_id = v.id),
            (select min(d.recovered_on) from core.deployments d
             where d.service_id = v.id and d.counts and d.recovered_on is not null)), null
        union all
        select 'pull_requests', (
            select c.merged_on from core.changes c
            where v.repository_id is not null and c.service_id = v.id and c.pull_request_id is not null
              and not c.carries_others
              and not (c.is_bot and (select exclude_bots from settings))
            order by c.merged_on limit 1), null
    ) f
    union all
    select null, 'recovery', (select min(i.resolved_on) from core.incidents i where i.service_id is null), null
    union all
    select m.service_id, 'work', (
        select least(w.created_on, w.started_on, w.done_on) from core.work_items w
        where w.project_key = m.service_id order by least(w.created_on, w.started_on, w.done_on) limit 1), null
    from scope_services m where m.scope_type = 'project'
), found as (
    -- The client has numbers of every family, or the reason why there is none, from its first event of any kind on; those of
    -- its work from its first item on.
    select 'client' as scope_type, '' as scope_id, f.family,
           case f.family when 'work' then min(b.first_day)
                         else (select min(first_day) from by_service where family <> 'work') end as first_day,
           min(b.first_day) as kind_day, min(b.success_day) as success_day, '' as members
    from (values ('deployments'), ('delivery'), ('recovery'), ('pull_requests'), ('work')) f (family)
    left join by_service b on b.family = f.family
    group by f.family
    union all
    select m.scope_type, m.scope_id, b.family, min(b.first_day), min(b.first_day), min(b.success_day),
           coalesce(min(n.members), '')
    from scope_services m
    join by_service b on b.service_id = m.service_id
    left join memberships n on (n.scope_type, n.scope_id) = (m.scope_type, m.scope_id)
    group by 1, 2, 3
)
select *, (dense_rank() over (order by scope_type <> 'client', scope_type, scope_id))::integer as scope_no
from found
where first_day is not null
