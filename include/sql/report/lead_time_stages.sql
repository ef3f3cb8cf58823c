-- One row per stage of the lead time, week or month, and scope: its median hours. service_id is NULL for the whole company.
select
    m.client_id, m.grain, m.period_start::timestamp as period_at,
    case m.scope_type when 'service' then m.scope_id end as service_id, s.name as service_name,
    replace(m.metric_type, 'lead_time_', '') as stage,
    case m.metric_type when 'lead_time_coding' then 1 when 'lead_time_pickup' then 2 when 'lead_time_review' then 3 else 4 end
        as stage_order,
    m.metric_value as median_hours, m.sample_size
from core.dora_metrics m
left join core.services s on m.scope_type = 'service' and (s.client_id, s.id) = (m.client_id, m.scope_id)
where m.metric_type in ('lead_time_coding', 'lead_time_pickup', 'lead_time_review', 'lead_time_merge_to_deploy')
  and m.grain in ('week', 'month') and m.scope_type in ('client', 'service');
