-- Statements
-- dora_values of the family delivery: lead_time_for_changes and (see has_stages) its stages by cell, from
-- core.deployment_changes.
create temporary table delivered on commit drop as
with facts as materialized (
    select l.service_id, l.deployed_on as day, l.lead_time_hours, l.coding_hours, l.pickup_hours, l.review_hours,
           l.merge_to_deploy_hours
    from core.deployment_changes l
    where l.client_id = (select core.etl_client_id()) and l.exclusion_reason is null
      and l.deployed_at >= (select from_at from counted_days where family = 'delivery')
      and l.deployed_on >= (select from_day from counted_days where family = 'delivery')
      and l.deployed_on < (select until_day from counted_days where family = 'delivery')
)
select 1 as scope_no, f.* from facts f
union all
select m.scope_no, f.* from facts f join counted_services m on m.family = 'delivery' and m.service_id = f.service_id
order by scope_no, day;
create index on delivered (scope_no, day);
analyze delivered (scope_no, day);

insert into dora_values
select m.metric_type, c.cell_id, m.n, null::bigint, null::bigint, m.p[1], m.p
from dora_cells c
cross join lateral (
    select count(*) as n, percentile_cont(array[0.5, 0.75, 0.9]) within group (order by l.lead_time_hours) as lead_time,
           count(l.coding_hours) as coding_n, count(l.pickup_hours) as pickup_n, count(l.review_hours) as review_n,
           count(l.merge_to_deploy_hours) as merge_to_deploy_n,
           percentile_cont(array[0.5, 0.75, 0.9]) within group (order by l.coding_hours) filter (where c.has_stages) as coding,
           percentile_cont(array[0.5, 0.75, 0.9]) within group (order by l.pickup_hours) filter (where c.has_stages) as pickup,
           percentile_cont(array[0.5, 0.75, 0.9]) within group (order by l.review_hours) filter (where c.has_stages) as review,
           percentile_cont(array[0.5, 0.75, 0.9]) within group (order by l.merge_to_deploy_hours) filter (where c.has_stages)
               as merge_to_deploy
    from delivered l
    where l.scope_no = c.scope_no and l.day >= c.period_start and l.day < c.period_end
) v
cross join lateral (
    values ('lead_time_for_changes', v.n, v.lead_time, true), ('lead_time_coding', v.coding_n, v.coding, c.has_stages),
           ('lead_time_pickup', v.pickup_n, v.pickup, c.has_stages), ('lead_time_review', v.review_n, v.review, c.has_stages),
           ('lead_time_merge_to_deploy', v.merge_to_deploy_n, v.merge_to_deploy, c.has_stages)
) m (metric_type, n, p, is_wanted)
where c.family = 'delivery' and m.is_wanted and (c.has_reasons or m.n > 0);
