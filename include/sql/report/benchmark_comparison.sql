-- One row per metric and published figure that the client's last 30 days are compared with: the share of teams that do at least
-- as well, and the means of the industry and size that the client chose (settings dora.compare_industry, dora.compare_size).
--
-- A share is of the whole band that the value lies in, so it is an upper bound. A mean says nothing about shares: it stays a
-- mean, on the scale of the survey.
with current as (
    select m.client_id, m.metric_type, core.say(k.metric_label) as metric_label, k.sort_order, m.unit, coalesce(m.calendar_value, m.metric_value) as value
    from core.dora_state t
    join core.dora_metrics m
      on m.client_id = t.client_id and m.grain = 'rolling_30d' and m.scope_type = 'client' and m.scope_id = ''
     and m.calculation_date = t.computed_through
    join core.metric_catalogue k on k.metric_type = m.metric_type
), chosen as (
    select client_id, replace(setting_key, 'dora.compare_', '') as population, setting_value #>> '{}' as group_key
    from core.system_settings
    where setting_key in ('dora.compare_industry', 'dora.compare_size')
), means as (
    select h.client_id, b.*, row_number() over (partition by h.client_id, b.metric_type, b.population order by b.year desc) as place
    from chosen h
    join core.benchmark_means b on (b.population, b.group_key) = (h.population, h.group_key)
)
select c.client_id, c.metric_type, c.metric_label, c.sort_order, 'share' as compared_with, b.year, 'All teams' as group_label,
       b.cumulative_share as share, null::double precision as mean, null::double precision as deviation,
       null::double precision as score,
       'at most ' || to_char(b.cumulative_share * 100, 'FM990.0') || ' % of teams do at least as well (' || b.year || ')'
           as comparison_text,
       b.source, b.is_primary
from current c
join core.benchmarks b
  on b.metric_type = c.metric_type and b.kind = 'distribution' and c.value >= b.lower_bound
 and (c.value < b.upper_bound or b.upper_bound is null)
union all
select c.client_id, c.metric_type, c.metric_label, c.sort_order, m.population, m.year, m.group_label, null, m.mean, m.deviation,
       case when c.unit = 'ratio' then c.value * 10 else own.score end,
       m.population || ' mean ' || m.year || ' (' || m.group_label || '): '
           || case when c.unit = 'ratio' then to_char(m.mean * 10, 'FM990') || ' %'
                   else to_char(m.mean, 'FM90.0') || ' of 10, '
                       || case when low.score = high.score then 'or ' || low.label
                               else 'between ' || low.label || ' and ' || high.label end
                       || coalesce('; here: ' || own.score || ' (' || own.label || ')', '') end,
       m.source, m.is_primary
from current c
join means m on (m.client_id, m.metric_type) = (c.client_id, c.metric_type) and m.place = 1
left join core.benchmark_scale own
  on own.metric_type = c.metric_type and c.value >= own.lower_bound
 and (c.value < own.upper_bound or own.upper_bound is null)
left join core.benchmark_scale low on (low.metric_type, low.score) = (m.metric_type, 2 * floor(m.mean / 2)::integer)
left join core.benchmark_scale high on (high.metric_type, high.score) = (m.metric_type, 2 * ceil(m.mean / 2)::integer);
