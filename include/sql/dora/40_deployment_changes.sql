-- core.deployment_changes: each change's first successful production deployment that contains it and whose
-- predecessor does not, by position on the first-parent chain. Nothing that the service's first deployment ever
-- contained is claimed (the baseline guard).
with candidates as (
    select
        d.client_id, d.id, d.service_id, d.finished_at, d.position,
        max(d.position) over (
            partition by d.service_id, d.environment order by d.finished_at, d.id
            rows between unbounded preceding and 1 preceding) as before,
        first_value(d.position) over (partition by d.service_id order by d.finished_at, d.id) as baseline
    from core.deployments d
    where d.client_id = (select core.etl_client_id()) and d.environment_tier = 'production' and d.result = 'success'
      and d.position is not null
), wanted as (
    select distinct on (c.id) c.client_id, d.id as deployment_id, c.id as change_id
    from core.changes c
    join candidates d
      on d.service_id = c.service_id and c.merge_position > d.before and c.merge_position <= d.position
     and c.merge_position > d.baseline
    where c.client_id = (select core.etl_client_id())
    order by c.id, d.finished_at, d.id
)
merge into core.deployment_changes as t
using wanted as s on (t.client_id, t.change_id) = (s.client_id, s.change_id)
when matched and t.deployment_id <> s.deployment_id then update set deployment_id = s.deployment_id
when not matched then insert (client_id, deployment_id, change_id) values (s.client_id, s.deployment_id, s.change_id)
when not matched by source and t.client_id = (select core.etl_client_id()) then delete;
