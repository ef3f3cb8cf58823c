-- Temporary table compared_metrics: the comparisons to compute: of metrics whose facts have moved, and all in a full run.
-- Grain: one row per metric and comparison, whether or not there is one now.
select k.metric_type, k.family, k.unit, c.comparison
from core.metric_catalogue k
cross join (values ('rolling_30d'), ('month'), ('shift')) c (comparison)
where k.has_past_windows and k.metric_type not in ('deployment_days_per_week', 'deployment_success_rate')
  and (k.family in (select family from cells where scope_type = 'client')
       or k.family in (select family from recomputed_scopes where scope_type = 'client'))
