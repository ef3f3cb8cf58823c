-- One row per number that was ever published: valid_from <= t and valid_to > t gives what was shown at t.
select h.client_id, h.metric_type, h.grain, h.scope_type, h.scope_id, h.calculation_date, h.period_start, h.period_end,
       h.is_partial, h.metric_value, h.unit, h.p50, h.p75, h.p90, h.numerator, h.denominator, h.sample_size, h.null_reason,
       h.tier, h.tier_year, h.definition_version, h.valid_from, h.valid_to
from core.dora_metric_history h
union all
select m.client_id, m.metric_type, m.grain, m.scope_type, m.scope_id, m.calculation_date, m.period_start, m.period_end,
       m.is_partial, m.metric_value, m.unit, m.p50, m.p75, m.p90, m.numerator, m.denominator, m.sample_size, m.null_reason,
       m.tier, m.tier_year, m.definition_version, m.published_at, timestamptz '9999-12-31 00:00:00+00'
from core.dora_metrics m;
