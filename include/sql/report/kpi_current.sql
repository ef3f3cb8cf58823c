-- One row per metric: the 30 days up to today for the whole company, and what the weeks say: a signal or chance.
select
    m.client_id, c.name as client_name, m.metric_type, k.metric_label, k.sort_order, m.metric_value, m.unit,
    m.metric_value * k.factor as display_value, k.display_unit,
    case when m.unit = 'ratio' and m.metric_value is not null and m.denominator < 20 then m.numerator || ' of ' || m.denominator
         else core.display_text(m.unit, m.metric_value) end as display_text,
    p.metric_value as previous_value,
    case when k.is_judged then coalesce(g.verdict, 'not_enough_history') end as verdict,
    case when k.is_judged then coalesce(g.verdict_text, 'not enough history for a verdict: 0 of 12 weeks') end as verdict_text,
    case when g.verdict in ('better', 'worse') then g.level_from end as shifted_on,
    g.usual_lower, g.usual_upper,
    m.tier, case m.tier when 'elite' then 4 when 'high' then 3 when 'medium' then 2 when 'low' then 1 end as tier_rank,
    m.tier_year, m.sample_size, m.null_reason, m.period_start, m.period_end, m.definition_version, m.published_at,
    core.display_text(m.unit, p.metric_value) as previous_text, initcap(m.tier) as tier_name,
    case m.tier when 'elite' then '●●●●' when 'high' then '●●●○' when 'medium' then '●●○○' when 'low' then '●○○○' end
        as tier_dots,
    case when m.denominator is not null then m.numerator || ' of ' || m.denominator
            || case k.family when 'pull_requests' then ' pull requests' else ' deployments' end
        else 'from ' || m.sample_size || ' records' end as sample_text,
    peers.cumulative_share as peer_share, peers.year as peer_year
from core.dora_state t
join core.clients c on c.id = t.client_id
join core.dora_metrics m
  on m.client_id = t.client_id and m.grain = 'rolling_30d' and m.scope_type = 'client' and m.scope_id = ''
 and m.calculation_date = t.computed_through
join (select *, has_past_windows and metric_type <> 'deployment_days_per_week' as is_judged from core.metric_catalogue) k
  on k.metric_type = m.metric_type
left join core.dora_metrics p
  on (p.client_id, p.metric_type, p.grain, p.scope_type, p.scope_id, p.calculation_date)
   = (m.client_id, m.metric_type, m.grain, m.scope_type, m.scope_id, m.period_start - 1)
 and not p.is_partial
left join report.metric_signals g
  on (g.client_id, g.metric_type, g.scope_type, g.scope_id) = (m.client_id, m.metric_type, m.scope_type, m.scope_id) and g.is_current
left join core.benchmarks peers
  on peers.metric_type = m.metric_type and peers.kind = 'distribution' and peers.year = 2025
 and m.metric_value >= peers.lower_bound and (m.metric_value < peers.upper_bound or peers.upper_bound is null);
