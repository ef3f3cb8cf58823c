-- core.deployments: baseline, roll-back and what each contains beyond its predecessors, in the sequences (service,
-- environment) of successful production deployments in which something has changed.
-- contains_after is the highest position that an earlier one contained: NULL for the baseline (the first with a known
-- position) and those before it. A roll-back goes back behind its predecessor, and began after it had finished.
create temporary table wanted_order on commit drop as
with sequences as (
    select service_id, environment from changed_deployments
    union
    select service_id, environment from core.deployments
    where (select is_full from dora_settings) and client_id = (select core.etl_client_id())
      and environment_tier = 'production' and result = 'success'
), ordered as (
    select
        d.id, d.finished_at, d.position,
        max(d.position) over (by_time rows between unbounded preceding and 1 preceding) as contains_after,
        coalesce(d.position < lag(d.position) over by_time and d.created_at >= lag(d.finished_at) over by_time, false) as is_rollback,
        lag(d.id) over by_time as previous_id, lag(d.finished_at) over by_time as previous_finished_at
    from sequences q
    join core.deployments d
      on (d.client_id, d.service_id, d.environment) = ((select core.etl_client_id()), q.service_id, q.environment)
     and d.environment_tier = 'production' and d.result = 'success'
    window by_time as (partition by d.service_id, d.environment order by d.finished_at, d.id)
)
select o.id, o.contains_after, o.position is not null and o.contains_after is null as is_baseline, o.is_rollback,
       undone.rolled_back_by
from ordered o
left join (
    select u.previous_id, min(u.id) as rolled_back_by
    from ordered u, dora_settings s
    where u.is_rollback and u.finished_at - u.previous_finished_at <= s.rollback_window
    group by u.previous_id
) undone on undone.previous_id = o.id
union all
-- Those of the touched records that are not in such a sequence (any more).
select w.id, null, false, false, null from wanted_deployments w
where w.environment_tier <> 'production' or w.result <> 'success';
create unique index on wanted_order (id);
analyze wanted_order (id);

-- The evidence of a roll-back is the deployment before it, which may have become another.
insert into reflag_deployments select id from wanted_order where is_rollback;
with updated as (
    update core.deployments t
    set contains_after = w.contains_after, is_baseline = w.is_baseline, is_rollback = w.is_rollback,
        rolled_back_by = w.rolled_back_by
    from wanted_order w
    where (t.client_id, t.id) = ((select core.etl_client_id()), w.id)
      and (t.contains_after, t.is_baseline, t.is_rollback, t.rolled_back_by)
          is distinct from (w.contains_after, w.is_baseline, w.is_rollback, w.rolled_back_by)
    returning old as before, new as after
), flags as (
    insert into reflag_deployments select (u.after).id from updated u
)
insert into changed_deployments
select (v.d).id, (v.d).service_id, (v.d).environment, (v.d).position, (v.d).contains_after, (v.d).finished_at, null, null, null
from updated u, lateral (values (u.before), (u.after)) as v (d)
where (u.before).contains_after is distinct from (u.after).contains_after;
analyze changed_deployments;
