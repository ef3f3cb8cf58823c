-- One row per client: its five numbers, what moved, how fresh its sources are, and why it needs attention; the worst first.
with numbers as (
    select client_id, min(published_at) as published_at,
           max(display_text) filter (where metric_type = 'deployment_frequency') as frequency_text,
           max(display_text) filter (where metric_type = 'lead_time_for_changes') as lead_time_text,
           max(display_text) filter (where metric_type = 'change_failure_rate') as failures_text,
           max(display_text) filter (where metric_type = 'failed_deployment_recovery_time') as recovery_text,
           max(display_text) filter (where metric_type = 'deployment_rework_rate') as rework_text,
           string_agg(metric_label, ', ' order by sort_order) filter (where verdict = 'worse') as worse
    from report.kpi_current
    where sort_order <= 5
    group by 1
), sources as (
    select client_id, string_agg(integration || ' ' || status_text, '; ' order by integration) filter (where status in ('failing', 'late'))
               as unread
    from report.freshness
    group by 1
), checks as (
    select client_id, count(*) as failed from report.trust_panel where status = 'fail' group by 1
)
select
    c.id as client_id, c.name as client_name, c.slug, n.frequency_text, n.lead_time_text, n.failures_text, n.recovery_text,
    n.rework_text, to_char(n.published_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') as published_text,
    coalesce(nullif(concat_ws('; ', case when n.client_id is null then 'no numbers yet' end, s.unread,
                              'worse: ' || n.worse,
                              case when k.failed > 0 then k.failed || case k.failed when 1 then ' quality check fails' else ' quality checks fail' end end),
                    ''), '—') as attention_text,
    case when s.unread is not null then 1 when n.client_id is null then 2 when n.worse is not null then 3 when k.failed > 0 then 4 else 5 end
        as attention_order,
    '/pulse/brief/?client=' || c.slug as brief_path
from core.clients c
left join numbers n on n.client_id = c.id
left join sources s on s.client_id = c.id
left join checks k on k.client_id = c.id
where c.active;
