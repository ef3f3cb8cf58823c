-- One row per target of a client: the value to reach, by when, and where the pace of the last weeks leads.
--
-- The pace is the median of the slopes between any two of the last 13 complete weeks (Theil and Sen), drawn on from the median
-- of these weeks. It needs eight weeks with a value, and counts only if it is more than chance (Mann and Kendall, 5 %): without a
-- trend, what is expected is what there is.
with given as (
    select s.client_id, k.metric_type, core.say(k.metric_label) as metric_label, k.unit, k.better, k.sort_order, (s.setting_value ->> 'value')::double precision / k.factor as target,
           (s.setting_value ->> 'by')::date as target_by
    from core.system_settings s
    join core.metric_catalogue k on s.setting_key = 'targets.' || k.metric_type
    where jsonb_typeof(s.setting_value) = 'object'
), weeks as (
    select g.client_id, g.metric_type, m.period_start, m.metric_value as value
    from given g
    join core.dora_state t on t.client_id = g.client_id
    join core.dora_metrics m
      on (m.client_id, m.metric_type, m.grain, m.scope_type, m.scope_id) = (g.client_id, g.metric_type, 'week', 'client', '')
     and m.period_start > t.computed_through - 98 and not m.is_partial
     and m.metric_value is not null
), slopes as (
    select a.client_id, a.metric_type,
           percentile_cont(0.5) within group (order by (b.value - a.value) / (b.period_start - a.period_start)) as per_day,
           abs(sum(sign(b.value - a.value))) as risen
    from weeks a
    join weeks b on (b.client_id, b.metric_type) = (a.client_id, a.metric_type) and b.period_start > a.period_start
    group by 1, 2
), paces as (
    select w.client_id, w.metric_type, count(*) as weeks, min(s.per_day) as per_day,
           min(s.risen) > 1.96 * sqrt(count(*) * (count(*) - 1) * (2 * count(*) + 5) / 18.0) as has_trend,
           percentile_cont(0.5) within group (order by w.value - s.per_day * (w.period_start - date '2000-01-01')) as base
    from weeks w
    join slopes s on (s.client_id, s.metric_type) = (w.client_id, w.metric_type)
    group by 1, 2
), judged as (
    select g.*, m.metric_value, t.computed_through as today, p.weeks, p.has_trend,
           case when p.weeks >= 8 and not p.has_trend then m.metric_value when p.weeks >= 8 then
               least(greatest(p.base + p.per_day * (g.target_by + 1 - date '2000-01-01'), 0),
                     case g.unit when 'ratio' then 1 end) end as expected,
           case g.better when 'higher' then 1 else -1 end as side
    from given g
    join core.dora_state t on t.client_id = g.client_id
    left join core.dora_metrics m
      on (m.client_id, m.metric_type, m.grain, m.scope_type, m.scope_id, m.calculation_date)
       = (g.client_id, g.metric_type, 'rolling_30d', 'client', '', t.computed_through)
    left join paces p on (p.client_id, p.metric_type) = (g.client_id, g.metric_type)
), told as (
    select *, case when metric_value is null then 'no_value'
                   when side * (metric_value - target) >= 0 then 'reached'
                   when target_by < today then 'missed'
                   when expected is null then 'no_pace'
                   when side * (expected - target) >= 0 then 'on_course' else 'off_course' end as status
    from judged
)
select
    client_id, metric_type, metric_label, sort_order, unit, target, target_by, core.display_text(unit, target) as target_text,
    metric_value, expected, weeks, status,
    format(core.say('Target %s by %s: %s'), core.display_text(unit, target), core.day_text(target_by), case status
        when 'reached' then core.say('reached now')
        when 'missed' then core.say('missed')
        when 'no_value' then core.say('no value now')
        when 'no_pace' then core.say('too few weeks for a pace')
        when 'on_course' then core.say('at the pace of the last 13 weeks it is reached')
        else case when has_trend
                      then format(core.say('at the pace of the last 13 weeks it would be %s then'), core.display_text(unit, expected))
                  else core.say('no trend in the last 13 weeks leads there') end end) as target_status_text
from told;
