-- Temporary table delivery_numbers: lead_time_for_changes and its stages.
-- Grain: one row per metric and cell.
select m.metric_type, c.cell_id, m.n as sample_size, null::bigint as numerator, null::bigint as denominator,
       m.p[1] as metric_value, m.p as percentiles,
       case when m.metric_type = 'lead_time_for_changes' then v.calendar_value end as calendar_value, 0 as guessed
from cells c
cross join lateral (
    select count(*) as n, percentile_cont(array[0.5, 0.75, 0.9]) within group (order by l.lead_time_hours) as lead_time,
           case when (select working from settings)
               then percentile_cont(0.5) within group (order by l.calendar_hours) end as calendar_value,
           count(l.coding_hours) as coding_n, count(l.pickup_hours) as pickup_n, count(l.review_hours) as review_n,
           count(l.merge_to_deploy_hours) as deploy_n,
           percentile_cont(array[0.5, 0.75, 0.9]) within group (order by l.coding_hours)
               filter (where c.has_stages) as coding,
           percentile_cont(array[0.5, 0.75, 0.9]) within group (order by l.pickup_hours)
               filter (where c.has_stages) as pickup,
           percentile_cont(array[0.5, 0.75, 0.9]) within group (order by l.review_hours)
               filter (where c.has_stages) as review,
           percentile_cont(array[0.5, 0.75, 0.9]) within group (order by l.merge_to_deploy_hours)
               filter (where c.has_stages) as deploy
    from delivered_changes l
    where l.scope_no = c.scope_no and l.day >= c.period_start and l.day < c.period_end
) v
cross join lateral (
    values ('lead_time_for_changes', v.n, v.lead_time, true), ('lead_time_coding', v.coding_n, v.coding, c.has_stages),
           ('lead_time_pickup', v.pickup_n, v.pickup, c.has_stages),
           ('lead_time_review', v.review_n, v.review, c.has_stages),
           ('lead_time_merge_to_deploy', v.deploy_n, v.deploy, c.has_stages)
) m (metric_type, n, p, is_wanted)
where c.family = 'delivery' and m.is_wanted and (c.has_reasons or m.n > 0)
