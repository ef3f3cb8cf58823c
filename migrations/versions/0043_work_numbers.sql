-- The numbers of work are published in core.dora_metrics, with their history and restatements. What was published stays: the next
-- run computes them again, and finds the same.
alter table core.dora_metrics
    drop constraint dora_metrics_scope_type_check,
    add constraint dora_metrics_scope_type_check check (scope_type in ('client', 'service', 'team', 'repository', 'project')),
    drop constraint dora_metrics_unit_check,
    add constraint dora_metrics_unit_check check (unit in ('per_day', 'days_per_week', 'hours', 'ratio', 'lines', 'count', 'items'));
insert into core.dora_metrics (
    client_id, metric_type, family, grain, scope_type, scope_id, calculation_date, period_start, period_end, is_partial,
    metric_value, unit, p50, p75, p90, numerator, denominator, sample_size, null_reason, definition_version, published_at)
select m.client_id, m.metric_type, 'work', m.grain, m.scope_type, m.scope_id, m.calculation_date, m.period_start, m.period_end,
       m.is_partial, m.metric_value, case m.unit when 'count' then 'items' else m.unit end, m.p50, m.p75, m.p90, m.numerator,
       m.denominator, m.sample_size, m.null_reason, t.definition_version, m.published_at
from core.work_metrics m
join core.dora_state t on t.client_id = m.client_id;
drop table core.work_metrics;
drop table core.work_scopes;
comment on table core.dora_scopes is
    'One row per scope and family (deployments, delivery, recovery, pull_requests, work). first_day: from when on it has numbers; '
    'kind_day: its first event of the family; success_day: its first successful production deployment; members: the services '
    'of a team or repository.';

-- From which day on a project has items.
create index work_items_project on core.work_items (client_id, project_key, least(created_on, started_on, done_on));

alter table core.metric_catalogue add column judged text check (judged in ('scopes', 'client'));
comment on column core.metric_catalogue.judged is
    'Whose weeks are searched for signals: those of all scopes, of the client alone, or none (NULL). A stock is not judged: its weeks '
    'depend on one another.';
