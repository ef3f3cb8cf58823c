-- Temporary table compared_windows: the days of both sides of a comparison of the client's numbers.
-- Grain: one row per metric and comparison. Days are [from, until).
-- A side that is partial, or that has no value, is never compared. A signal compares the complete weeks since it began with as
-- many before.
select c.metric_type, c.family, c.unit, c.comparison, b.period_start as before_from, b.period_end as before_until,
       n.period_start as now_from, n.period_end as now_until, b.metric_value as before_value, n.metric_value as now_value
from compared_metrics c
cross join settings s
join core.dora_metrics n
  on (n.metric_type, n.grain, n.scope_type, n.scope_id, n.calculation_date)
   = (c.metric_type, c.comparison, 'client', '',
      case c.comparison when 'month' then date_trunc('month', s.today::timestamp)::date - 1 else s.today end)
join core.dora_metrics b
  on (b.metric_type, b.grain, b.scope_type, b.scope_id, b.calculation_date)
   = (n.metric_type, n.grain, n.scope_type, n.scope_id, n.period_start - 1)
where c.comparison <> 'shift' and not b.is_partial and b.metric_value is not null and n.metric_value is not null
  -- The window that ends today is partial only if it begins before the first event, as the one before it would then, too.
union all
select c.metric_type, c.family, c.unit, c.comparison, g.level_from - w.days, g.level_from, g.level_from, g.level_from + w.days,
       null, null
from compared_metrics c
cross join settings s
join core.metric_signals g
  on (g.metric_type, g.scope_type, g.scope_id) = (c.metric_type, 'client', '') and g.is_current and g.verdict in ('better', 'worse')
cross join lateral (select core.period_start('week', s.today, s.week_shift) - g.level_from as days) w
where c.comparison = 'shift'
