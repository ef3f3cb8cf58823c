-- One row per metric and scope (client, service, team or repository): the 30 days up to today, and what the weeks say.
--
-- Where more than half of the failures are guesses (only time links them to an incident), the rate is a range, without and
-- with them, and nothing has a verdict. A service in which a tile's metric counted nothing has a row that says so.
select
    m.client_id, c.name as client_name, m.scope_type, m.scope_id,
    case m.scope_type when 'client' then core.say('The whole company') else coalesce(v.name, m.scope_id) end as scope_name,
    case m.scope_type when 'client' then 0 when 'team' then 1 else 2 end as scope_order, v.name as service_name,
    m.metric_type, core.say(k.metric_label) as metric_label, k.sort_order, m.metric_value, m.unit,
    m.metric_value * k.factor as display_value, core.say(k.display_unit) as display_unit,
    case when m.metric_value is not null and m.denominator < 20 and m.unit = 'ratio'
            then case when u.is_unsure then format(core.say('%s to %s of %s'), m.numerator - m.guessed, m.numerator, m.denominator)
                      else format(core.say('%s of %s'), m.numerator, m.denominator) end
         when u.is_unsure and m.denominator > 0 and m.metric_value is not null
            then core.range_text(m.unit, (m.numerator - m.guessed)::double precision / m.denominator, m.metric_value)
         else core.display_text(m.unit, m.metric_value) end as display_text,
    p.metric_value as previous_value,
    case when u.is_unsure then 'guesses' when k.is_judged then coalesce(g.verdict, 'not_enough_history') end as verdict,
    case when u.is_unsure then format(core.say('no verdict: %s of %s failures are guesses'), m.guessed, u.failures)
         when k.is_judged
            then coalesce(g.verdict_text, format(core.say('not enough history for a verdict: %s of %s weeks'), 0, 12)) end as verdict_text,
    case when not u.is_unsure and g.verdict in ('better', 'worse') then g.level_from end as shifted_on,
    g.usual_lower, g.usual_upper,
    m.tier, case m.tier when 'elite' then 4 when 'high' then 3 when 'medium' then 2 when 'low' then 1 end as tier_rank,
    m.tier_year, m.sample_size, m.null_reason, m.period_start, m.period_end, m.definition_version, m.published_at,
    core.display_text(m.unit, p.metric_value) as previous_text, core.say(initcap(m.tier)) as tier_name,
    case m.tier when 'elite' then '●●●●' when 'high' then '●●●○' when 'medium' then '●●○○' when 'low' then '●○○○' end
        as tier_dots,
    case when m.denominator is not null then
             format(case when k.family = 'pull_requests' then core.say('%s of %s pull requests')
                         when m.metric_type = 'change_failure_rate' then core.say('%s of %s releases')
                         else core.say('%s of %s deployments') end, m.numerator, m.denominator)
        else format(case when m.metric_type = 'deployment_frequency' then core.say('from %s releases')
                         when k.family = 'delivery' then core.say('from %s changes')
                         when m.metric_type = 'failed_deployment_recovery_time' then core.say('from %s failures')
                         when m.metric_type = 'time_to_restore' then core.say('from %s incidents')
                         else core.say('from %s records') end, m.sample_size) end
        || case when m.guessed > 0 and not u.is_unsure then format(case m.guessed when 1 then core.say(', %s of them a guess') else core.say(', %s of them guesses') end, m.guessed) else '' end as sample_text,
    m.guessed, m.calendar_value,
    case when m.calendar_value is not null then format(core.say('%s in calendar time'), core.display_text(m.unit, m.calendar_value)) end
        as calendar_text,
    (select string_agg(n || ' ' || core.say(t.label), ', ' order by array_position(array['elite', 'high', 'medium', 'low'], t.label))
     from jsonb_each_text(m.tier_spread) t (label, n)) as tier_spread_text,
    peers.cumulative_share as peer_share, peers.year as peer_year, goal.status as target_status, goal.target_status_text,
    '/pulse/rows/?metric=' || m.metric_type || '&from=' || m.period_start || '&to=' || m.period_end
        || coalesce('&service=' || core.url_part(v.name), '') as rows_path,
    chance.confidence_text
from core.dora_state t
join core.clients c on c.id = t.client_id
join (
    select client_id, metric_type, scope_type, scope_id, calculation_date, period_start, period_end, metric_value, unit, numerator,
           denominator, guessed, sample_size, null_reason, tier, tier_year, tier_spread, calendar_value, definition_version, published_at
    from core.dora_metrics
    where grain = 'rolling_30d'
    union all
    select f.client_id, k.metric_type, 'service', f.scope_id, f.calculation_date, f.period_start, f.period_end, null, k.unit, null,
           null, 0, 0, 'no_data', null, null, null, null, f.definition_version, f.published_at
    from core.dora_metrics f
    join core.metric_catalogue k on k.sort_order <= 5
    where (f.metric_type, f.grain, f.scope_type) = ('deployment_frequency', 'rolling_30d', 'service')
      and not exists (
          select from core.dora_metrics o
          where (o.client_id, o.metric_type, o.grain, o.scope_type, o.scope_id, o.calculation_date)
              = (f.client_id, k.metric_type, f.grain, f.scope_type, f.scope_id, f.calculation_date))
) m on m.client_id = t.client_id and m.calculation_date = t.computed_through
join (select *, has_past_windows and metric_type <> 'deployment_days_per_week' as is_judged from core.metric_catalogue) k
  on k.metric_type = m.metric_type and k.family <> 'work'
left join core.services v on m.scope_type = 'service' and (v.client_id, v.id) = (m.client_id, m.scope_id)
left join core.dora_metrics p
  on (p.client_id, p.metric_type, p.grain, p.scope_type, p.scope_id, p.calculation_date)
   = (m.client_id, m.metric_type, 'rolling_30d', m.scope_type, m.scope_id, m.period_start - 1)
 and not p.is_partial
cross join lateral (
    select f.n as failures, m.guessed * 2 > f.n as is_unsure
    from (select case when m.denominator is not null then m.numerator else m.sample_size end as n) f
) u
left join report.metric_signals g
  on (g.client_id, g.metric_type, g.scope_type, g.scope_id) = (m.client_id, m.metric_type, m.scope_type, m.scope_id) and g.is_current
left join report.metric_targets goal
  on m.scope_type = 'client' and (goal.client_id, goal.metric_type) = (m.client_id, m.metric_type)
left join core.benchmarks peers
  on peers.metric_type = m.metric_type and peers.kind = 'distribution' and peers.year = 2025
 and m.metric_value >= peers.lower_bound and (m.metric_value < peers.upper_bound or peers.upper_bound is null)
left join report.metric_confidence chance
  on (chance.client_id, chance.metric_type, chance.scope_type, chance.scope_id) = (m.client_id, m.metric_type, m.scope_type, m.scope_id);
