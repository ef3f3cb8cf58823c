-- Temporary table new_metrics: the metrics that the client has no number of, because a new version of Pulse brought them.
-- Grain: one row per metric. Empty in nearly every run, but for those of work of a client without an issue tracker. The
-- sub-select is one index look-up per metric.
select k.metric_type, k.family
from core.metric_catalogue k
where (select m.metric_type from core.dora_metrics m where m.metric_type = k.metric_type limit 1) is null
