-- Table core.deployments: a completed release of a service to an environment, and its place among those before it.
-- Grain: one row per deployment. What it caused and why it was made: links/deployment_outcomes.sql.
-- Per: id of select id, true as is_read from core.deployments
-- The successful production deployments of a service to an environment are a sequence. contains_after is the highest position
-- that an earlier one of them contained: null for the baseline (the first whose contains_to is known and that is no trial) and
-- those before it. A rollback goes back behind its predecessor, and began after that had finished; where one of the two is not
-- of the default branch, it is of a version that an earlier one had. A redeployment is of such a version, too.
-- Trials are the first three or fewer, if the pause after them was longer than 30 days and than ten times the median of up to
-- ten pauses that follow (at least four): the first 14 of a sequence decide.
-- Touched are the deployments read again (is_read), and of each sequence in which one of them is, or was, those that follow;
-- all of it where it is one of the first 14.
with read_again as (
    select id from deployment_candidates
    union
    select id from touched_deployments
    union
    select core.merge_of((before).id) from changes_changed
    where (after is null or (after).merged_into is not null) and core.merge_of((before).id) is not null
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
from (
    select q.service_id, q.environment,
           case when earlier.n = 14 then q.moved_from else '-infinity' end as moved_from
    from sequences q
    cross join lateral (
        select count(*) as n
        from (select from core.deployments d
              where d.service_id = q.service_id and d.environment_tier = 'production' and d.result = 'success'
                and d.finished_at < q.moved_from and d.environment = q.environment
              limit 14) d
    ) earlier
) q
cross join lateral (
    select d.id from core.deployments d
    where d.service_id = q.service_id and d.environment_tier = 'production' and d.result = 'success'
      and d.finished_at >= q.moved_from and d.environment = q.environment
    offset 0
) d
where not exists (select from read_again r where r.id = d.id)
;
with known as (
    select id, service_id, integration_id, repository_id, environment, environment_tier, source, result, sha, version,
           position, contains_to, branch_commits, ref_name, url, environment_url, created_at, finished_at, finished_on
    from deployment_candidates
    union all
    select d.id, d.service_id, d.integration_id, d.repository_id, d.environment, d.environment_tier, d.source, d.result,
           d.sha, d.version, d.position, d.contains_to, d.branch_commits, d.ref_name, d.url, d.environment_url,
           d.created_at, d.finished_at, d.finished_on
    from touched q
    join core.deployments d on d.id = q.id
    where not q.is_read
), live as (
    select *, row_number() over by_time as place,
           extract(epoch from lead(finished_at) over by_time - finished_at) as pause,
           version is not null and row_number() over (
               partition by service_id, environment, version order by finished_at, id) > 1 as is_repeated
    from known
    where environment_tier = 'production' and result = 'success'
    window by_time as (partition by service_id, environment order by finished_at, id)
), begun as (
    -- the last one before them, for what follows: where there is one, the sequence's first 14 are before them too
    select q.service_id, q.environment, q.moved_from, d.*
    from (select service_id, environment, min(finished_at) as moved_from from live group by service_id, environment) q
    cross join lateral (
        select d.id, d.created_at, d.finished_at, d.position, d.contains_to, d.branch_commits,
               greatest(d.contains_to, d.contains_after) as reached
        from core.deployments d
        where d.service_id = q.service_id and d.environment_tier = 'production' and d.result = 'success'
          and d.finished_at < q.moved_from and d.environment = q.environment
          and not exists (select from touched t where t.id = d.id)
        order by d.finished_at desc, d.id desc limit 1
    ) d
), head as materialized (
    select l.* from live l
    where l.place <= 13
      and not exists (select from begun b where (b.service_id, b.environment) = (l.service_id, l.environment))
), trials as (
    select service_id, environment, max(place) as until_place
    from (
        select c.service_id, c.environment, c.place
        from head c
        join head f
          on (f.service_id, f.environment) = (c.service_id, c.environment)
         and f.place between c.place + 1 and c.place + 10 and f.pause is not null
        where c.place <= 3 and c.pause > 30 * 86400
        group by c.service_id, c.environment, c.place, c.pause
        having count(*) >= 4 and c.pause > 10 * percentile_cont(0.5) within group (order by f.pause)
    ) pauses
    group by service_id, environment
), members as (
    select l.id, l.service_id, l.environment, l.created_at, l.finished_at, l.position, l.contains_to, l.branch_commits,
           coalesce(l.place <= t.until_place, false) as is_trial,
           -- Where time takes the place of a position, a redeployment would seem to bring what was merged meanwhile.
           case when not coalesce(l.place <= t.until_place, false) and not (v.by_time and r.is_repeated)
               then l.contains_to end as reached,
           false as is_before, r.is_repeated
    from live l
    join live_services v on v.id = l.service_id
    left join trials t on (t.service_id, t.environment) = (l.service_id, l.environment)
    left join begun b on (b.service_id, b.environment) = (l.service_id, l.environment)
    left join lateral (
        -- an earlier one of the same version that is not computed now
        select x.id from core.deployments x
        where not l.is_repeated and b.id is not null and x.version = l.version
          and (x.service_id, x.environment) = (l.service_id, l.environment)
          and x.environment_tier = 'production' and x.result = 'success' and x.finished_at < b.moved_from
          and not exists (select from touched t where t.id = x.id)
        limit 1
    ) e on true
    cross join lateral (select l.is_repeated or e.id is not null as is_repeated) r
    union all
    select id, service_id, environment, created_at, finished_at, position, contains_to, branch_commits, false, reached, true,
           false
    from begun
), placed as (
    select id, finished_at, position, reached, is_trial, is_before, is_repeated,
           max(reached) over (by_time rows between unbounded preceding and 1 preceding) as contains_after,
           coalesce(
               case when position is not null and lag(position) over by_time is not null
                   then position < lag(position) over by_time
                   else is_repeated and row(contains_to, branch_commits)
                       < row(lag(contains_to) over by_time, lag(branch_commits) over by_time) end
               and created_at >= lag(finished_at) over by_time, false) as is_rollback,
           lag(id) over by_time as previous_id, lag(finished_at) over by_time as previous_finished_at
    from members
    window by_time as (partition by service_id, environment order by finished_at, id)
), undone as (
    select p.previous_id as id, min(p.id) as rolled_back_by
    from placed p, settings s
    where p.is_rollback and p.finished_at - p.previous_finished_at <= s.rollback_window
    group by p.previous_id
)
select k.*, p.contains_after, coalesce(p.reached is not null and p.contains_after is null, false) as is_baseline,
       coalesce(p.is_trial, false) as is_trial, coalesce(p.is_rollback, false) as is_rollback, u.rolled_back_by,
       case when p.is_rollback then 'rollback' when p.is_repeated then 'redeployment' when p.id is not null then 'release'
       end as kind
from known k
left join placed p on p.id = k.id and not p.is_before
left join undone u on u.id = k.id
