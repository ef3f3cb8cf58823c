-- One row per level of a metric and scope: the weeks in which it varied by chance, their limits, and the shift that began it.
select
    g.client_id, g.metric_type, core.say(k.metric_label) as metric_label, k.sort_order, g.unit, g.scope_type, g.scope_id,
    case when g.scope_type <> 'client' then coalesce(s.name, g.scope_id) when k.family = 'work' then core.say('All projects')
         else core.say('All services') end as scope_name,
    g.level_from, g.level_until, g.is_current, g.centre, g.lower, g.upper, g.usual_lower, g.usual_upper,
    g.shift, g.rule, g.confirmed_on, g.verdict,
    case when g.verdict is not null then
        core.verdict_text(g.verdict, case g.metric_type when 'throughput' then 'per_week' else g.unit end, g.usual_lower,
                          g.usual_upper, g.level_from, g.history_weeks, g.needed_weeks)
    end as verdict_text,
    g.history_weeks, g.needed_weeks
from core.metric_signals g
join core.metric_catalogue k on k.metric_type = g.metric_type
left join core.services s on g.scope_type = 'service' and (s.client_id, s.id) = (g.client_id, g.scope_id);
