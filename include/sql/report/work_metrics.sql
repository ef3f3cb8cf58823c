-- One row per metric, period and scope: flow of work in Jira.
select
    m.client_id, m.metric_type,
    case m.metric_type
        when 'cycle_time' then core.say('Cycle time') when 'lead_time' then core.say('Lead time') when 'throughput' then core.say('Throughput')
        when 'work_in_progress' then core.say('Work in progress') when 'reopened_share' then core.say('Reopened items')
        when 'bug_share' then core.say('Bugs') else core.say('Incident load')
    end as metric_label,
    m.unit, m.grain, m.scope_type, m.scope_id,
    case m.scope_type when 'client' then core.say('All projects') else m.scope_id end as scope_name,
    m.calculation_date, m.period_start::timestamp as period_at, m.period_end, m.is_partial, m.metric_value,
    case m.unit when 'ratio' then m.metric_value * 100 else m.metric_value end as display_value,
    case m.unit when 'ratio' then '%' when 'hours' then core.say('hours') else core.say('items') end as display_unit,
    case when m.unit = 'count' and m.metric_value is not null then to_char(m.metric_value, 'FM9999990')
        else core.display_text(m.unit, m.metric_value) end as display_text,
    m.p50, case when m.sample_size >= 8 then m.p75 end as p75, case when m.sample_size >= 20 then m.p90 end as p90,
    m.numerator, m.denominator, m.sample_size, m.null_reason, m.published_at
from core.work_metrics m;
