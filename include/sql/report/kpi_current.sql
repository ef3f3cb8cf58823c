-- One row per metric: the 30 days up to today for the whole company, and what the weeks say: a signal or chance.
select
    client_id, client_name, metric_type, metric_label, sort_order, metric_value, unit, display_value, display_unit, display_text,
    previous_value, verdict, verdict_text, shifted_on, usual_lower, usual_upper, tier, tier_rank, tier_year, sample_size,
    null_reason, period_start, period_end, definition_version, published_at, previous_text, tier_name, tier_dots, sample_text,
    guessed, calendar_value, calendar_text, tier_spread_text, peer_share, peer_year, target_status,
    target_status_text, rows_path
from report.kpi_by_scope
where scope_type = 'client';
