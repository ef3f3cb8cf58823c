-- Statements
-- core.deployments: the wanted ones, with their place in the sequence (service, environment) of successful production
-- deployments: baseline, roll-back, and what each contains beyond its predecessors; and the place of those beside them.
-- contains_after is the highest position that an earlier one contained: NULL for the baseline (the first with a known
-- position) and those before it. A roll-back goes back behind its predecessor, and began after it had finished.
create temporary table wanted_order on commit drop as
with sequences as (
    -- with the earliest moment at which anything in them has moved: what was before it keeps its place
    select service_id, environment, min(finished_at) as moved_from
    from (
        select service_id, environment, finished_at from changed_deployments
        union all
        select service_id, environment, finished_at from wanted_deployments
        where environment_tier = 'production' and result = 'success'
        union all
        select t.service_id, t.environment, t.finished_at
        from wanted_deployments w
        join core.deployments t on (t.client_id, t.id) = ((select core.etl_client_id()), w.id)
        where t.environment_tier = 'production' and t.result = 'success'
    ) m
    group by service_id, environment
), members as (
    select id, service_id, environment, created_at, finished_at, position, position as reached, false as is_before,
           null::bigint as contains_after, null::boolean as is_rollback
    from wanted_deployments
    where environment_tier = 'production' and result = 'success'
    union all
    select d.id, q.service_id, q.environment, d.created_at, d.finished_at, d.position, d.position, false, null, null
    from sequences q
    cross join lateral (
        select * from core.deployments t
        where (t.client_id, t.service_id) = ((select core.etl_client_id()), q.service_id)
          and t.environment_tier = 'production' and t.result = 'success'
          and t.finished_at >= q.moved_from and t.environment = q.environment
        offset 0
    ) d
    where not exists (select from wanted_deployments w where w.id = d.id)
    union all
    -- the last one before it, for what follows
    select d.id, q.service_id, q.environment, d.created_at, d.finished_at, d.position, greatest(d.position, d.contains_after),
           true, d.contains_after, d.is_rollback
    from sequences q
    cross join lateral (
        select * from core.deployments t
        where (t.client_id, t.service_id) = ((select core.etl_client_id()), q.service_id)
          and t.environment_tier = 'production' and t.result = 'success'
          and t.finished_at < q.moved_from and t.environment = q.environment
        order by t.finished_at desc, t.id desc limit 1
    ) d
), placed as (
    select
        d.id, d.finished_at, d.position, d.is_before, d.contains_after as had_contained, d.is_rollback as was_rollback,
        max(d.reached) over (by_time rows between unbounded preceding and 1 preceding) as contains_after,
        coalesce(d.position < lag(d.position) over by_time and d.created_at >= lag(d.finished_at) over by_time, false) as is_rollback,
        lag(d.id) over by_time as previous_id, lag(d.finished_at) over by_time as previous_finished_at
    from members d
    window by_time as (partition by d.service_id, d.environment order by d.finished_at, d.id)
), ordered as (
    select id, finished_at, position, previous_id, previous_finished_at,
           case when is_before then had_contained else contains_after end as contains_after,
           case when is_before then was_rollback else is_rollback end as is_rollback
    from placed
)
select o.id, o.contains_after, o.position is not null and o.contains_after is null as is_baseline, o.is_rollback,
       undone.rolled_back_by
from ordered o
left join (
    select u.previous_id, min(u.id) as rolled_back_by
    from ordered u, dora_settings s
    where u.is_rollback and u.finished_at - u.previous_finished_at <= s.rollback_window
    group by u.previous_id
) undone on undone.previous_id = o.id;
create unique index on wanted_order (id);
analyze wanted_order (id);

create temporary table merged_deployments (before core.deployments, after core.deployments) on commit drop;
with merged as (
    merge into core.deployments as t
    using (
        select w.*, o.contains_after, coalesce(o.is_baseline, false) as is_baseline,
               coalesce(o.is_rollback, false) as is_rollback, o.rolled_back_by
        from wanted_deployments w left join wanted_order o on o.id = w.id
    ) as s on (t.client_id, t.id) = (s.client_id, s.id)
    when matched and row(t.service_id, t.repository_id, t.environment, t.environment_tier, t.source, t.result, t.sha, t.position,
                         t.ref_name, t.url, t.created_at, t.finished_at, t.finished_on, t.contains_after, t.is_baseline,
                         t.is_rollback, t.rolled_back_by)
        is distinct from row(s.service_id, s.repository_id, s.environment, s.environment_tier, s.source, s.result, s.sha,
                             s.position, s.ref_name, s.url, s.created_at, s.finished_at, s.finished_on, s.contains_after,
                             s.is_baseline, s.is_rollback, s.rolled_back_by) then update set
        service_id = s.service_id, repository_id = s.repository_id, environment = s.environment,
        environment_tier = s.environment_tier, source = s.source, result = s.result, sha = s.sha, position = s.position,
        ref_name = s.ref_name, url = s.url, created_at = s.created_at, finished_at = s.finished_at,
        finished_on = s.finished_on, contains_after = s.contains_after, is_baseline = s.is_baseline,
        is_rollback = s.is_rollback, rolled_back_by = s.rolled_back_by
    when not matched then insert
        (client_id, id, service_id, integration_id, repository_id, environment, environment_tier, source, result, sha,
         position, ref_name, url, created_at, finished_at, finished_on, contains_after, is_baseline, is_rollback,
         rolled_back_by)
        values (s.client_id, s.id, s.service_id, s.integration_id, s.repository_id, s.environment, s.environment_tier,
                s.source, s.result, s.sha, s.position, s.ref_name, s.url, s.created_at, s.finished_at, s.finished_on,
                s.contains_after, s.is_baseline, s.is_rollback, s.rolled_back_by)
    returning old as before, new as after
), placed as (
    update core.deployments t
    set contains_after = o.contains_after, is_baseline = o.is_baseline, is_rollback = o.is_rollback,
        rolled_back_by = o.rolled_back_by
    from wanted_order o
    where (t.client_id, t.id) = ((select core.etl_client_id()), o.id)
      and not exists (select from wanted_deployments w where w.id = o.id)
      and (t.contains_after, t.is_baseline, t.is_rollback, t.rolled_back_by)
          is distinct from (o.contains_after, o.is_baseline, o.is_rollback, o.rolled_back_by)
    returning old as before, new as after
)
-- (a run that computes everything for another reason than its data asks nobody what has changed)
insert into merged_deployments
select before, after from (select before, after from merged union all select before, after from placed) m
where (select reason = 'data' from dora_settings);
analyze merged_deployments;

insert into moved
select 'deployments', (v.d).service_id, (v.d).finished_on, (v.d).id, case when (m.before).id is null then 'added' else 'changed' end
from merged_deployments m, lateral (values (m.before), (m.after)) as v (d)
where (v.d).environment_tier = 'production'
  and row((m.before).service_id, (m.before).finished_on, (m.before).result, (m.before).environment_tier)
      is distinct from row((m.after).service_id, (m.after).finished_on, (m.after).result, (m.after).environment_tier);
-- The evidence of a roll-back is the deployment before it, which may have become another.
insert into reflag_deployments
select (after).id from merged_deployments
union all
select id from wanted_order where is_rollback;
insert into changed_deployments
select (v.d).id, (v.d).service_id, (v.d).environment, (v.d).position, (v.d).contains_after, (v.d).finished_at, (v.d).sha,
       (v.d).url, (v.d).ref_name
from merged_deployments m, lateral (values (m.before), (m.after)) as v (d)
where (v.d).environment_tier = 'production' and (v.d).result = 'success'
  and row((m.before).service_id, (m.before).environment, (m.before).environment_tier, (m.before).result, (m.before).position,
          (m.before).contains_after, (m.before).created_at, (m.before).finished_at, (m.before).sha, (m.before).url,
          (m.before).ref_name)
      is distinct from row((m.after).service_id, (m.after).environment, (m.after).environment_tier, (m.after).result,
          (m.after).position, (m.after).contains_after, (m.after).created_at, (m.after).finished_at, (m.after).sha,
          (m.after).url, (m.after).ref_name);
analyze changed_deployments;
-- One that no longer is a successful one in production has lost its changes and its place.
insert into relink_changes
select l.change_id from wanted_deployments w
join core.deployment_changes l on (l.client_id, l.deployment_id) = ((select core.etl_client_id()), w.id)
where not (select is_full from dora_settings);
insert into relink_incidents
select l.incident_id from wanted_deployments w
join core.incident_deployments l on (l.client_id, l.deployment_id) = ((select core.etl_client_id()), w.id)
where not (select is_full from dora_settings);
