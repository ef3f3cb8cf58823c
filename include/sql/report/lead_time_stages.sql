-- One row per stage of the lead time, week or month, and scope: its mean hours. service_id is NULL for the whole company.
--
-- The stages are over the same changes: those of a period add up to the mean lead time (mean_lead_time_hours).
select
    t.client_id, t.grain, t.period_start::timestamp as period_at,
    case t.scope_type when 'service' then t.scope_id end as service_id, s.name as service_name, t.stage,
    case t.stage when 'coding' then 1 when 'pickup' then 2 when 'review' then 3 when 'merge_to_deploy' then 4 else 5 end
        as stage_order,
    t.mean_hours, sum(t.mean_hours) over (partition by t.client_id, t.grain, t.scope_type, t.scope_id, t.period_start)
        as mean_lead_time_hours,
    t.sample_size,
    t.period_start + case t.grain when 'week' then interval '7 days' else interval '1 month' end > d.computed_through + 1
        as is_running
from core.lead_time_stages t
join core.dora_state d on d.client_id = t.client_id
left join core.services s on t.scope_type = 'service' and (s.client_id, s.id) = (t.client_id, t.scope_id)
where t.scope_type in ('client', 'service');
