-- Table core.deployments: a completed release of a service to an environment, and its place among those before it.
-- Grain: one row per deployment. What it caused and why it was made: links/deployment_outcomes.sql.
-- Per: id of select id, true as is_read from core.deployments
-- The successful production deployments of a service to an environment are a sequence. contains_after is the highest position
-- that an earlier one of them contained: null for the baseline (the first with a known position) and those before it. A
-- rollback goes back behind its predecessor, and began after that had finished.
-- Touched are the deployments read again (is_read), and of each sequence in which one of them is, or was, those that follow.
with read_again as (
    select id from deployment_candidates
    union
    select id from touched_deployments
    union
    select core.merge_of((before).id) from changes_changed where after is null and core.merge_of((before).id) is not null
), sequences as (
    select service_id, environment, min(finished_at) as moved_from
    from (
        select service_id, environment, finished_at, environment_tier, result from deployment_candidates
        union all
        select d.service_id, d.environment, d.finished_at, d.environment_tier, d.result
        from read_again q
        join core.deployments d on d.id = q.id
    ) moved
    where environment_tier = 'production' and result = 'success'
    group by service_id, environment
)
select id, true as is_read from read_again
union all
select d.id, false
from sequences q
cross join lateral (
    select d.id from core.deployments d
    where d.service_id = q.service_id and d.environment_tier = 'production' and d.result = 'success'
      and d.finished_at >= q.moved_from and d.environment = q.environment
    offset 0
) d
where not exists (select from read_again r where r.id = d.id)
;
with known as (
    select id, service_id, integration_id, repository_id, environment, environment_tier, source, result, sha, position,
           ref_name, url, created_at, finished_at, finished_on
    from deployment_candidates
    union all
    select d.id, d.service_id, d.integration_id, d.repository_id, d.environment, d.environment_tier, d.source, d.result,
           d.sha, d.position, d.ref_name, d.url, d.created_at, d.finished_at, d.finished_on
    from touched q
    join core.deployments d on d.id = q.id
    where not q.is_read
), members as (
    select id, service_id, environment, created_at, finished_at, position, position as reached, false as is_before
    from known
    where environment_tier = 'production' and result = 'success'
    union all
    -- the last one before them, for what follows
    select d.id, q.service_id, q.environment, d.created_at, d.finished_at, d.position,
           greatest(d.position, d.contains_after), true
    from (
        select service_id, environment, min(finished_at) as moved_from from known
        where environment_tier = 'production' and result = 'success'
        group by service_id, environment
    ) q
    cross join lateral (
        select * from core.deployments d
        where d.service_id = q.service_id and d.environment_tier = 'production' and d.result = 'success'
          and d.finished_at < q.moved_from and d.environment = q.environment
          and not exists (select from touched t where t.id = d.id)
        order by d.finished_at desc, d.id desc limit 1
    ) d
), placed as (
    select id, finished_at, position, is_before,
           max(reached) over (by_time rows between unbounded preceding and 1 preceding) as contains_after,
           coalesce(position < lag(position) over by_time and created_at >= lag(finished_at) over by_time, false)
               as is_rollback,
           lag(id) over by_time as previous_id, lag(finished_at) over by_time as previous_finished_at
    from members
    window by_time as (partition by service_id, environment order by finished_at, id)
), undone as (
    select p.previous_id as id, min(p.id) as rolled_back_by
    from placed p, settings s
    where p.is_rollback and p.finished_at - p.previous_finished_at <= s.rollback_window
    group by p.previous_id
)
select k.*, p.contains_after, coalesce(p.position is not null and p.contains_after is null, false) as is_baseline,
       coalesce(p.is_rollback, false) as is_rollback, u.rolled_back_by
from known k
left join placed p on p.id = k.id and not p.is_before
left join undone u on u.id = k.id
