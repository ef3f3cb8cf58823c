-- Table core.deployment_changes: which deployment delivered a change, its lead time and stages, or why it does not count.
-- Grain: one row per delivered change.
-- In each environment the first deployment that contains the change, unless that is the baseline: by its position, or because
-- its branch holds the change's merge commit, or the last commit of its branch; or one of that last commit that began before
-- the merge; of these the earliest. Where merges are the deployments, each its own, and what it carried.
-- Per: change_id of select id as change_id from core.changes
select coalesce((after).id, (before).id) as change_id from changes_changed
union
-- A moved deployment delivers, or did, what lies in (contains_after, position].
select c.id
from (
    select service_id, coalesce(contains_after, -9223372036854775807) as low, max(contains_to) as high
    from moved_deployments
    where contains_to is not null and (contains_after is null or contains_after < contains_to)
    group by 1, 2
) d
join core.changes c on c.service_id = d.service_id and c.merge_position > d.low and c.merge_position <= d.high
union
-- Branches that were deployed before they were merged.
select v.prefix || '-pr:' || k.integration_id || ':' || k.pull_request_id || v.suffix
from (select distinct service_id, sha from moved_deployments where sha is not null) d
join live_services v on v.id = d.service_id
cross join lateral (
    select x.integration_id, x.pull_request_id from core.pull_request_commits x
    where (x.integration_id, x.sha) = (v.integration_id, d.sha)
    offset 0
) k
union
-- What deployed branches hold.
select v.prefix || '-pr:' || p.integration_id || ':' || p.id || v.suffix
from moved_contents m
join live_services v on v.id = m.service_id
cross join lateral (
    select x.integration_id, x.id from core.pull_requests x
    where (x.integration_id, x.merge_commit_sha, x.repository_id) = (m.integration_id, m.sha, m.repository_id)
    union
    select k.integration_id, k.pull_request_id from core.pull_request_commits k
    where (k.integration_id, k.sha) = (m.integration_id, m.sha)
    offset 0
) p
union
select v.prefix || '-commit:' || m.integration_id || ':' || m.repository_id || ':' || m.sha
from moved_contents m
join live_services v on v.id = m.service_id and v.path_pattern is null
union
select c.id
from moved_contents m
join core.changes c on c.merge_commit_sha = m.sha and c.pull_request_id is null
union
select v.prefix || '-pr:' || q.integration_id || ':' || q.pull_request_id || v.suffix
from queued_own_commits q
join core.pull_requests p on (p.integration_id, p.id) = (q.integration_id, q.pull_request_id)
join live_services v on (v.integration_id, v.repository_id) = (p.integration_id, p.repository_id)
union
select l.change_id
from deployments_changed d
join core.deployment_changes l on l.deployment_id = (d.before).id
;
with computed as materialized (
    select c.id as change_id, (row_number() over ())::integer as change_no, c.service_id, c.merge_position, c.is_bot,
           c.integration_id, c.pull_request_id, c.merge_commit_sha, c.carries_others, c.merged_into, c.carried_by,
           c.merged_at, case s.start_event when 'opened' then c.opened_at else c.first_commit_at end as started_at,
           c.coding_hours, c.pickup_hours, c.review_hours
    from touched q
    join core.changes c on c.id = q.change_id
    cross join settings s
), deployed as materialized (
    select d.service_id, d.environment, d.contains_after, d.contains_to as position, d.finished_at, d.finished_on, d.id, d.is_baseline
    from (select service_id, min(merge_position) as low from computed group by service_id) q
    join core.deployments d
      on d.service_id = q.service_id and d.environment_tier = 'production' and d.result = 'success'
    join live_services v on v.id = d.service_id
    where (d.contains_to >= q.low or d.is_baseline) and not (d.kind = 'redeployment' and v.by_time)
), last_commits as materialized (
    select c.change_no, k.sha
    from computed c
    cross join lateral (
        select k.sha from core.pull_request_commits k
        where (k.integration_id, k.pull_request_id) = (c.integration_id, c.pull_request_id)
        order by k.position desc, k.sha limit 1
    ) k
), sequences as (
    -- A service's history ends at the position of its very first deployment.
    select service_id, environment, row_number() over () as sequence_no, position as baseline,
           first_value(position) over (partition by service_id order by finished_at, id) as history_until
    from deployed
    where is_baseline
), points as (
    -- The positions that deployments reached and those of the changes, in one list: a change came with the deployment that has
    -- the next position, the last one seen before it from the top (its place). The planner does not know how many there
    -- are; a join would compare all with all.
    select s.sequence_no, d.position, d.contains_after, d.id as deployment_id, d.finished_at, d.finished_on,
           null::integer as change_no
    from deployed d
    join sequences s on (s.service_id, s.environment) = (d.service_id, d.environment)
    where d.contains_after < d.position
    union all
    select q.sequence_no, c.merge_position, null, null, null, null, c.change_no
    from computed c
    join sequences q on q.service_id = c.service_id and q.history_until < c.merge_position
), placed as (
    select *, count(deployment_id) over (
        partition by sequence_no order by position desc, change_no is not null rows unbounded preceding) as place
    from points
), delivered as (
    select change_no, sequence_no, position, first_value(deployment_id) over brought as deployment_id,
           first_value(finished_at) over brought as deployed_at, first_value(finished_on) over brought as deployed_on,
           first_value(contains_after) over brought as contains_after
    from placed
    window brought as (partition by sequence_no, place order by change_no nulls first)
), held as (
    -- In each environment, the first deployment whose branch holds the change.
    select distinct on (c.change_no, d.environment) c.change_no, d.environment, d.id as deployment_id,
           d.finished_at as deployed_at, d.finished_on as deployed_on, d.contains_after, q.sequence_no,
           c.merge_position is null or c.merge_position > greatest(q.baseline, q.history_until) as is_new
    from (
        select change_no, merge_commit_sha as sha from computed
        union
        select change_no, sha from last_commits
    ) k
    join computed c on c.change_no = k.change_no
    join live_services v on v.id = c.service_id and not v.by_time
    join core.held_commits h
      on (h.integration_id, h.repository_id, h.holds_sha) = (v.integration_id, v.repository_id, k.sha)
    cross join lateral (
        select * from core.deployments x
        where x.version = h.sha and x.service_id = c.service_id and x.environment_tier = 'production'
          and x.result = 'success' and not x.is_trial and x.position is null
        offset 0
    ) d
    join sequences q on (q.service_id, q.environment) = (d.service_id, d.environment)
    order by c.change_no, d.environment, d.finished_at, d.id
), deliveries as (
    select l.change_no, l.deployment_id, l.deployed_at, l.deployed_on
    from delivered l
    where l.change_no is not null and l.contains_after < l.position
      and not exists (
          select from held h
          where h.change_no = l.change_no and h.sequence_no = l.sequence_no and h.contains_after is null)
    union all
    select change_no, deployment_id, deployed_at, deployed_on from held where contains_after is not null and is_new
    union all
    select c.change_no, d.id, d.finished_at, d.finished_on
    from last_commits last
    join computed c on c.change_no = last.change_no
    cross join lateral (
        select x.id, x.finished_at, x.finished_on from core.deployments x
        where x.version = last.sha and x.service_id = c.service_id and x.environment_tier = 'production'
          and x.result = 'success' and not x.is_trial and x.created_at < c.merged_at
        order by x.finished_at, x.id limit 1
    ) d
    union all
    select c.change_no, d.id, d.finished_at, d.finished_on
    from computed c
    cross join lateral (
        select * from core.deployments d
        where d.id = core.merge_of(case when c.merged_into is null then c.change_id else c.carried_by end)
        offset 0
    ) d
    where (select deployment_source = 'merges' from settings)
), earliest as (
    select distinct on (change_no) * from deliveries order by change_no, deployed_at, deployment_id
)
select c.change_id, c.service_id, e.deployment_id, e.deployed_at, e.deployed_on,
       core.elapsed_hours(c.started_at, e.deployed_at, s.working) as lead_time_hours,
       core.hours_between(c.started_at, e.deployed_at) as calendar_hours, c.coding_hours, c.pickup_hours, c.review_hours,
       core.elapsed_hours(c.merged_at, e.deployed_at, s.working) as merge_to_deploy_hours,
       case
           when c.carries_others then 'carries others'
           when c.is_bot and s.exclude_bots then 'bot'
           when c.started_at is null then 'no commits'
           when e.deployed_at < c.started_at then 'negative duration'
       end as exclusion_reason
from earliest e
join computed c on c.change_no = e.change_no
cross join settings s
