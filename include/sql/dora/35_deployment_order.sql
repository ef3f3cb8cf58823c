-- core.deployments: baseline and rollback. Among the successful production deployments of a service to an environment,
-- in order of finish: the first is the baseline (what it contains was there before we looked); one that carries older
-- code than an earlier one is a rollback, and within dora.rollback_window_hours it undoes the one before it.
with settings as materialized (
    select make_interval(hours => (core.setting('dora.rollback_window_hours', '24') #>> '{}')::integer) as rollback_window
), ordered as (
    select
        d.client_id, d.id, d.finished_at,
        row_number() over by_time = 1 as is_baseline,
        coalesce(d.position < max(d.position) over (by_time rows between unbounded preceding and 1 preceding), false)
            as is_rollback,
        lag(d.id) over by_time as previous_id,
        lag(d.finished_at) over by_time as previous_finished_at
    from core.deployments d
    where d.client_id = (select core.etl_client_id()) and d.environment_tier = 'production' and d.result = 'success'
    window by_time as (partition by d.service_id, d.environment order by d.finished_at, d.id)
), undone as (
    select distinct on (o.previous_id) o.previous_id as id, o.id as rolled_back_by
    from ordered o, settings s
    where o.is_rollback and o.finished_at - o.previous_finished_at <= s.rollback_window
    order by o.previous_id, o.finished_at
), wanted as (
    select d.client_id, d.id, coalesce(o.is_baseline, false) as is_baseline, coalesce(o.is_rollback, false) as is_rollback,
           u.rolled_back_by
    from core.deployments d
    left join ordered o on (o.client_id, o.id) = (d.client_id, d.id)
    left join undone u on u.id = d.id
    where d.client_id = (select core.etl_client_id())
)
update core.deployments t
set is_baseline = w.is_baseline, is_rollback = w.is_rollback, rolled_back_by = w.rolled_back_by
from wanted w
where (t.client_id, t.id) = (w.client_id, w.id)
  and (t.is_baseline, t.is_rollback, t.rolled_back_by) is distinct from (w.is_baseline, w.is_rollback, w.rolled_back_by);
