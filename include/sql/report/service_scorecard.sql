-- One row per service: its numbers of the 30 days up to today, side by side.
select
    k.client_id, k.client_name, k.service_name, min(k.period_start) as period_start, min(k.period_end) as period_end,
    max(k.metric_value) filter (where k.metric_type = 'deployment_frequency') as releases_per_day,
    max(k.sample_size) filter (where k.metric_type = 'deployment_frequency') as releases,
    max(k.metric_value) filter (where k.metric_type = 'lead_time_for_changes') as lead_time_hours,
    max(k.display_text) filter (where k.metric_type = 'change_failure_rate') as failures_text,
    max(k.metric_value) filter (where k.metric_type = 'change_failure_rate') as failure_rate,
    max(k.metric_value) filter (where k.metric_type = 'failed_deployment_recovery_time') as recovery_hours,
    max(k.metric_value) filter (where k.metric_type = 'deployment_rework_rate') as rework_rate,
    coalesce(string_agg(case k.verdict when 'worse' then '▼ ' when 'better' then '▲ ' end || k.metric_label || ' ' || k.verdict_text,
                        '; ' order by k.sort_order) filter (where k.verdict in ('better', 'worse')), '—') as signals_text,
    min(k.rows_path) filter (where k.metric_type = 'deployment_frequency') as rows_path
from report.kpi_by_scope k
where k.scope_type = 'service' and k.sort_order <= 5
group by k.client_id, k.client_name, k.scope_id, k.service_name;
