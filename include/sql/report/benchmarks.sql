-- One row per published benchmark: a tier of 2023 or 2024, or a point of a distribution of 2025.
select metric_type, year, label as tier, lower_bound, upper_bound, published_text, source, kind, cumulative_share, is_primary
from core.benchmarks;
