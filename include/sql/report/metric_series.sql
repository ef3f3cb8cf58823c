-- One row per published number of delivery: metric, grain, scope and period. Ratios and counts with the range that chance leaves
-- them; where most of the failures are guesses, there is none.
with numbers as (
    select m.client_id, m.metric_type, m.unit, m.grain, m.scope_type, m.scope_id, m.period_start, m.period_end, m.is_partial,
           m.metric_value, m.p50, m.p75, m.p90, m.numerator, m.denominator, m.sample_size, m.guessed, m.null_reason, m.tier, m.tier_year,
           m.calculation_date, false as is_service
    from core.dora_metrics m
    union all
    -- A repository that is one service has that service's numbers.
    select m.client_id, m.metric_type, m.unit, m.grain, 'repository', m.scope_id, m.period_start, m.period_end, m.is_partial,
           m.metric_value, m.p50, m.p75, m.p90, m.numerator, m.denominator, m.sample_size, m.guessed, m.null_reason, m.tier, m.tier_year,
           m.calculation_date, true
    from core.dora_metrics m
    join core.services s on (s.client_id, s.id) = (m.client_id, m.scope_id)
    where m.scope_type = 'service' and s.repository_id is not null
      and not exists (select from core.services o
                      where o.client_id = s.client_id and o.integration_id = s.integration_id
                        and o.repository_id = s.repository_id and o.id <> s.id)
)
select
    m.client_id, m.metric_type, core.say(k.metric_label) as metric_label, m.unit, core.say(k.display_unit) as display_unit, m.grain, m.scope_type, m.scope_id,
    case m.scope_type when 'client' then core.say('All services') else coalesce(s.name, m.scope_id) end as scope_name,
    m.period_start::timestamp as period_at, m.period_end, m.is_partial, m.metric_value,
    m.metric_value * k.factor as display_value, m.p50, case when m.sample_size >= 8 then m.p75 end as p75,
    case when m.sample_size >= 20 then m.p90 end as p90, m.numerator, m.denominator, m.sample_size,
    m.null_reason, m.tier, m.tier_year, m.calculation_date,
    g.centre * k.factor as centre, g.lower * k.factor as lower, g.upper * k.factor as upper,
    case when g.shift is not null and g.level_from >= m.period_start and g.level_from < m.period_end then g.level_from end
        as shifted_on,
    goal.target * k.factor as target, r.low * k.factor as likely_low, r.high * k.factor as likely_high
from numbers m
join core.metric_catalogue k on k.metric_type = m.metric_type and k.family <> 'work'
left join core.services s on m.scope_type in ('service', 'repository') and (s.client_id, s.id) = (m.client_id, m.scope_id)
-- A period has the limits of the level that its last week belongs to.
left join core.metric_signals g
  on m.grain in ('week', 'month') and (g.client_id, g.metric_type, g.scope_id) = (m.client_id, m.metric_type, m.scope_id)
 and g.scope_type = case when m.is_service then 'service' else m.scope_type end
 and m.calculation_date >= g.level_from + 6
 and (m.calculation_date < g.level_until + 6 or g.level_until is null)
left join report.metric_targets goal
  on m.scope_type = 'client' and (goal.client_id, goal.metric_type) = (m.client_id, m.metric_type)
left join lateral core.likely_range(m.unit, m.metric_value, case m.unit when 'ratio' then m.denominator else m.sample_size end) r
  on m.metric_type in ('deployment_frequency', 'change_failure_rate', 'deployment_rework_rate')
 and m.guessed * 2 <= coalesce(m.numerator, m.sample_size);
