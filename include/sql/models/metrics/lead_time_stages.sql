-- Table core.lead_time_stages: how long the deployed changes of a week or month spent in each stage, on average.
-- Grain: one row per week or month, scope and stage that any of its changes was in.
-- Per: grain, scope_type, scope_id, period_start of select grain, scope_type, scope_id, period_start from core.lead_time_stages
-- Every stage is over the same changes, so that the stages of a period add up to its mean lead time.
select grain, scope_type, scope_id, period_start from cells where family = 'delivery' and grain in ('week', 'month')
union
select t.grain, t.scope_type, t.scope_id, t.period_start
from recomputed_scopes r
join core.lead_time_stages t on (t.scope_type, t.scope_id) = (r.scope_type, r.scope_id)
where r.family = 'delivery'
union
select t.grain, t.scope_type, t.scope_id, t.period_start
from settings s
join core.lead_time_stages t on s.computed_through is distinct from s.today
where t.scope_type <> 'client' and t.grain = 'week' and t.period_start + 7 <= s.today - 400
;
select c.grain, c.scope_type, c.scope_id, c.period_start, v.stage, (v.hours / v.n)::double precision as mean_hours, v.n as sample_size
from cells c
cross join settings s
cross join lateral (
    select count(*) as n, sum(l.lead_time_hours::numeric) as total,
           sum(l.coding_hours::numeric) filter (where s.start_event <> 'opened') as coding,
           sum(l.pickup_hours::numeric) as pickup, sum(l.review_hours::numeric) as review,
           sum(l.merge_to_deploy_hours::numeric) as merge_to_deploy
    from delivered_changes l
    where l.scope_no = c.scope_no and l.day >= c.period_start and l.day < c.period_end
) m
cross join lateral (
    select x.stage, x.hours, m.n
    from (
        values ('coding', m.coding), ('pickup', m.pickup), ('review', m.review), ('merge_to_deploy', m.merge_to_deploy),
               ('other', nullif(m.total - coalesce(m.coding, 0) - coalesce(m.pickup, 0) - coalesce(m.review, 0)
                                - coalesce(m.merge_to_deploy, 0), 0))
    ) x (stage, hours)
    where x.hours is not null
) v
where c.family = 'delivery' and c.grain in ('week', 'month') and m.n > 0
