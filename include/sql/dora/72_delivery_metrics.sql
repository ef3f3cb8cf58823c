-- dora_values of the family delivery: lead_time_for_changes and its stages by cell, from core.deployment_changes.
insert into dora_values
select 'lead_time_for_changes', c.cell_id, v.n, null::bigint, null::bigint, v.p[1], v.p
from dora_cells c
cross join lateral (
    select count(*) as n, percentile_cont(array[0.5, 0.75, 0.9]) within group (order by l.lead_time_hours) as p
    from core.deployment_changes l
    where l.client_id = (select core.etl_client_id()) and l.exclusion_reason is null
      and l.deployed_on >= c.period_start and l.deployed_on < c.period_end
) v
where c.family = 'delivery' and c.scope_type = 'client'
union all
select 'lead_time_for_changes', c.cell_id, v.n, null::bigint, null::bigint, v.p[1], v.p
from dora_cells c
cross join lateral (
    select count(*) as n, percentile_cont(array[0.5, 0.75, 0.9]) within group (order by l.lead_time_hours) as p
    from scope_services m
    join core.deployment_changes l
      on l.client_id = (select core.etl_client_id()) and l.service_id = m.service_id and l.exclusion_reason is null
     and l.deployed_on >= c.period_start and l.deployed_on < c.period_end
    where (m.scope_type, m.scope_id) = (c.scope_type, c.scope_id)
) v
where c.family = 'delivery' and c.scope_type <> 'client' and v.n > 0;

with stages as (
    select c.cell_id, c.scope_type, v.*
    from dora_cells c
    cross join lateral (
        select array[count(l.coding_hours), count(l.pickup_hours), count(l.review_hours), count(l.merge_to_deploy_hours)] as n,
               percentile_cont(array[0.5, 0.75, 0.9]) within group (order by l.coding_hours) as coding,
               percentile_cont(array[0.5, 0.75, 0.9]) within group (order by l.pickup_hours) as pickup,
               percentile_cont(array[0.5, 0.75, 0.9]) within group (order by l.review_hours) as review,
               percentile_cont(array[0.5, 0.75, 0.9]) within group (order by l.merge_to_deploy_hours) as merge_to_deploy
        from core.deployment_changes l
        where l.client_id = (select core.etl_client_id()) and l.exclusion_reason is null
          and l.deployed_on >= c.period_start and l.deployed_on < c.period_end
    ) v
    where c.family = 'delivery' and c.scope_type = 'client' and c.grain in ('week', 'month', 'rolling_30d', 'rolling_90d')
    union all
    select c.cell_id, c.scope_type, v.*
    from dora_cells c
    cross join lateral (
        select array[count(l.coding_hours), count(l.pickup_hours), count(l.review_hours), count(l.merge_to_deploy_hours)] as n,
               percentile_cont(array[0.5, 0.75, 0.9]) within group (order by l.coding_hours) as coding,
               percentile_cont(array[0.5, 0.75, 0.9]) within group (order by l.pickup_hours) as pickup,
               percentile_cont(array[0.5, 0.75, 0.9]) within group (order by l.review_hours) as review,
               percentile_cont(array[0.5, 0.75, 0.9]) within group (order by l.merge_to_deploy_hours) as merge_to_deploy
        from scope_services m
        join core.deployment_changes l
          on l.client_id = (select core.etl_client_id()) and l.service_id = m.service_id and l.exclusion_reason is null
         and l.deployed_on >= c.period_start and l.deployed_on < c.period_end
        where (m.scope_type, m.scope_id) = (c.scope_type, c.scope_id)
    ) v
    where c.family = 'delivery' and c.scope_type <> 'client' and c.grain in ('week', 'month', 'rolling_30d', 'rolling_90d')
)
insert into dora_values
select m.metric_type, s.cell_id, m.n, null::bigint, null::bigint, m.p[1], m.p
from stages s
cross join lateral (
    values ('lead_time_coding', s.n[1], s.coding), ('lead_time_pickup', s.n[2], s.pickup),
           ('lead_time_review', s.n[3], s.review), ('lead_time_merge_to_deploy', s.n[4], s.merge_to_deploy)
) m (metric_type, n, p)
where s.scope_type = 'client' or m.n > 0;
