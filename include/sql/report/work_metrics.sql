-- One row per metric, period and scope: flow of work in Jira. The client's weeks with the limits of their level.
select
    m.client_id, m.metric_type, core.say(k.metric_label) as metric_label, case m.unit when 'items' then 'count' else m.unit end as unit,
    m.grain, m.scope_type, m.scope_id,
    case m.scope_type when 'client' then core.say('All projects') else m.scope_id end as scope_name,
    m.calculation_date, m.period_start::timestamp as period_at, m.period_end, m.is_partial, m.metric_value,
    m.metric_value * k.factor as display_value, core.say(k.display_unit) as display_unit,
    core.display_text(m.unit, m.metric_value) as display_text,
    m.p50, case when m.sample_size >= 8 then m.p75 end as p75, case when m.sample_size >= 20 then m.p90 end as p90,
    m.numerator, m.denominator, m.sample_size, m.null_reason, m.published_at,
    g.centre * k.factor as centre, g.lower * k.factor as lower, g.upper * k.factor as upper,
    case when g.shift is not null and g.level_from = m.period_start then g.level_from end as shifted_on
from core.metric_catalogue k
join core.dora_metrics m on m.metric_type = k.metric_type
left join core.metric_signals g
  on m.grain = 'week' and (g.client_id, g.metric_type, g.scope_type, g.scope_id) = (m.client_id, m.metric_type, m.scope_type, m.scope_id)
 and m.period_start >= g.level_from and (m.period_start < g.level_until or g.level_until is null)
where k.family = 'work';
