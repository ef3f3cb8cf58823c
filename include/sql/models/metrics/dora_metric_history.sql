-- Table core.dora_metric_history: published numbers that were replaced or taken back, as they were.
-- Grain: one row per number and time that it was published for (valid_from, valid_to). Only appended to.
select b.metric_type, b.grain, b.scope_type, b.scope_id, b.calculation_date, b.period_start, b.period_end, b.is_partial,
       b.metric_value, b.unit, b.p50, b.p75, b.p90, b.numerator, b.denominator, b.sample_size, b.null_reason, b.tier,
       b.tier_year, b.tier_spread, b.calendar_value, b.guessed, b.definition_version, b.published_at as valid_from, now() as valid_to
from (
    select before from dora_metrics_changed
    union all
    -- The number stays, and its tier is another one.
    select before from tiers_changed where (before).published_at < now()
) c
cross join unnest(array[c.before]) b
where b.metric_type is not null
