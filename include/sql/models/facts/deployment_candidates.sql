-- Temporary table deployment_candidates: the deployments that the touched records describe.
-- Grain: one row per completed release of a service to an environment: of the kind that the client chose (setting
-- dora.deployment_source), and those that are reported, which count whatever else does.
-- A commit that a merge brought has that merge's position, unless it was deployed before it: then it was not part of the
-- default branch, and has no position. It contains what the default branch had where its branch began.
-- Index: (id)
with completed as (
    select q.id, r.integration_id, coalesce(r.repository_id, named.repository_id) as repository_id, r.environment,
           case r.kind when 'reported_deployment' then x.source else r.kind end as source, r.succeeded, r.sha,
           r.ref_name, r.url, r.environment_url, r.created_at, r.finished_at, named.id as service_id,
           r.words
    from touched_deployments q
    join core.deployment_records r
      on (r.kind, r.integration_id, r.record, r.key) = (q.kind, q.integration_id, q.record, q.key)
    join sources x on x.integration_id = r.integration_id
    cross join settings s
    left join live_services v
      on (v.integration_id, v.repository_id) = (r.integration_id, r.repository_id) and v.path_pattern is null
    left join lateral (
        select n.id, n.repository_id from live_services n
        where lower(n.name) = lower(r.service_name) order by n.repository_id nulls last, n.id limit 1
    ) named on r.repository_id is null
    where r.deleted_at is null and r.succeeded is not null and r.finished_at is not null
      and r.kind in (rtrim(s.deployment_source, 's'), 'reported_deployment')
      and (r.workflow is null
           or r.workflow ~* s.workflow_pattern
              and case when s.workflow_branches is not null then r.ref_name ~* s.workflow_branches
                       when r.event in ('pull_request', 'pull_request_target') then false
                       else r.ref_name ~* v.branches or r.event = 'release' and s.production_branches is null end)
    union all
    select core.merge_of(c.id), c.integration_id, c.repository_id, 'production', 'merge', true, c.merge_commit_sha, null, c.url, null, c.merged_at, c.merged_at, c.service_id, null
    from (
        select (after).id from changes_changed
        union
        select id from core.changes where (select is_full from settings)
    ) q
    join core.changes c on c.id = q.id and c.merged_into is null
    where (select deployment_source = 'merges' from settings) and core.merge_of(c.id) is not null
), placed as (
    select c.*, coalesce(c.service_id, part.id, v.id) as service
    from completed c
    left join live_services v
      on c.service_id is null and (v.integration_id, v.repository_id) = (c.integration_id, c.repository_id)
     and v.path_pattern is null
    left join lateral (
        -- Of api and api-gateway, the longer match.
        select p.id from live_services p
        cross join unnest(c.words) word
        where v.has_parts and (p.integration_id, p.repository_id) = (c.integration_id, c.repository_id)
          and p.deployment_pattern is not null and word ~* p.deployment_pattern
        order by length(regexp_substr(word, p.deployment_pattern, 1, 1, 'i')) desc, p.name limit 1
    ) part on true
)
select p.id, p.service as service_id, p.integration_id, p.repository_id, p.environment,
    case when p.source in ('workflow_run', 'release', 'merge')  -- chosen as deployments to production
              or p.environment ~* s.production_environments
        then 'production' else 'other' end as environment_tier,
    p.source, case when p.succeeded then 'success' else 'failure' end as result, p.sha,
    coalesce(p.sha, case when p.ref_name ~ '[0-9]' then p.ref_name end) as version,
    -- A merge deploys the change that it is, and has no place in an order.
    place.position, coalesce(place.position, base.position) as contains_to,
    case when place.position is not null then 0 when base.position is not null then base.commit_count end as branch_commits,
    p.ref_name, p.url, p.environment_url, p.created_at, p.finished_at, (p.finished_at at time zone s.time_zone)::date as finished_on
from placed p
cross join settings s
left join live_services v on v.id = p.service
left join lateral (
    select * from core.commits g
    where (g.integration_id, g.repository_id, g.sha) = (v.integration_id, p.repository_id, p.sha)
    offset 0
) g on true
left join lateral (
    select min(m.committed_at) as committed_at from core.commits m
    where not g.is_first_parent and m.is_first_parent
      and (m.integration_id, m.repository_id, m.position) = (g.integration_id, g.repository_id, g.position)
) merge on true
cross join lateral (
    select case when p.source = 'merge' then null when v.by_time then extract(epoch from p.created_at)::bigint
                when g.is_first_parent or merge.committed_at <= p.created_at then g.position end as position
) place
left join lateral (
    select g.position, b.commit_count
    from core.deployed_branches b
    join core.commits g on (g.integration_id, g.repository_id, g.sha) = (b.integration_id, b.repository_id, b.base_sha)
    where (b.integration_id, b.repository_id, b.sha) = (v.integration_id, p.repository_id, p.sha)
      and place.position is null and p.source <> 'merge'
      and (g.is_first_parent
           or (select min(m.committed_at) from core.commits m
               where m.is_first_parent
                 and (m.integration_id, m.repository_id, m.position) = (g.integration_id, g.repository_id, g.position))
              <= p.created_at)
    offset 0
) base on true
where p.service is not null
