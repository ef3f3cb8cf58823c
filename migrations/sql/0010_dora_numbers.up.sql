-- Days have a number where something was counted (docs/metrics.md, Scopes): of the client's days, those that said why there
-- was none go. (Days of other scopes older than a quarter leave for the history at the next run.) The owner of the table
-- is bound by its policies too, but for this statement.
alter table core.dora_metrics no force row level security;
delete from core.dora_metrics
where grain = 'day' and scope_type = 'client' and sample_size = 0 and metric_type <> 'deployment_frequency';
alter table core.dora_metrics force row level security;

-- The changes of a period are found by the moment (deployment_changes_latest).
drop index core.deployment_changes_deployed;
