-- The DORA model computes only what moved: a queue of what normalise wrote, facts that carry their days and durations, and
-- published numbers with their history.

-- ------------------------------------------------------------------------------------------------- what has moved

create table core.dora_queue (
    client_id       integer not null,
    id              bigint generated always as identity,
    fact            text not null,
    integration_id  bigint not null,
    key             text not null,
    primary key (client_id, id)
);
comment on table core.dora_queue is
    'One row a source record that was written since the last dora stage, which reads and empties it; kept by triggers, so '
    'that whoever writes a record need not think of it.';

create function core.enqueue_dora() returns trigger
    language plpgsql set search_path = pg_catalog
    as $$
declare
    sources text := case tg_op when 'INSERT' then 'new_rows' when 'DELETE' then 'old_rows' end;
begin
    if sources is null then
        sources := format('(select * from new_rows union all select * from old_rows)');
    end if;
    execute format(
        'insert into core.dora_queue (client_id, fact, integration_id, key)'
        ' select distinct client_id, %L, integration_id, (%s)::text from %s r', tg_argv[0], tg_argv[1], sources);
    return null;
end $$;
revoke execute on function core.enqueue_dora() from public;
grant execute on function core.enqueue_dora() to pulse_etl;
comment on function core.enqueue_dora() is 'Statement trigger: queues the written rows as facts of kind argument 1, key expression argument 2.';

do $$
declare
    source record;
begin
    for source in
        select * from (values
            ('github_pull_requests', 'pull_request', 'id'),
            ('github_pull_request_reviews', 'pull_request', 'pull_request_id'),
            ('github_pull_request_events', 'pull_request', 'pull_request_id'),
            ('github_pull_request_files', 'pull_request', 'pull_request_id'),
            ('github_commits', 'commit', 'repository_id || '':'' || sha'),
            ('github_deployments', 'deployment', 'id'),
            ('github_workflow_runs', 'workflow_run', 'id || '':'' || run_attempt'),
            ('github_releases', 'release', 'id'),
            ('github_issues', 'github_issue', 'id'),
            ('jira_issues', 'jira_issue', 'id'),
            ('jira_issue_changes', 'jira_issue', 'issue_id'),
            ('jira_issue_links', 'jira_issue', 'issue_id'),
            ('custom_deployments', 'custom_deployment', 'id'),
            ('custom_incidents', 'custom_incident', 'id'),
            ('custom_changes', 'custom_change', 'id')
        ) as t (name, fact, key)
    loop
        execute format('create trigger dora_insert after insert on core.%1$I referencing new table as new_rows
                        for each statement execute function core.enqueue_dora(%2$L, %3$L)', source.name, source.fact, source.key);
        execute format('create trigger dora_update after update on core.%1$I referencing old table as old_rows new table as new_rows
                        for each statement execute function core.enqueue_dora(%2$L, %3$L)', source.name, source.fact, source.key);
        execute format('create trigger dora_delete after delete on core.%1$I referencing old table as old_rows
                        for each statement execute function core.enqueue_dora(%2$L, %3$L)', source.name, source.fact, source.key);
    end loop;
end $$;

create table core.dora_state (
    client_id           integer primary key references core.clients (id),
    definition          text not null,
    definition_version  text not null,
    computed_through    date not null,
    published_at        timestamptz not null
);
comment on table core.dora_state is
    'What the last dora stage worked with: its settings, and the client''s day. Other settings: everything is computed anew.';

create table core.dora_definitions (
    client_id           integer not null references core.clients (id),
    definition_version  text not null,
    settings            jsonb not null,
    time_zone           text not null,
    first_used_at       timestamptz not null default now(),
    primary key (client_id, definition_version)
);
comment on table core.dora_definitions is
    'One row a definition_version: the settings behind it, so that a number can be reproduced.';

create table core.dora_scopes (
    client_id    integer not null references core.clients (id),
    scope_type   text not null,
    scope_id     text not null,
    family       text not null,
    first_day    date not null,
    kind_day     date,
    success_day  date,
    members      text not null default '',
    primary key (client_id, scope_type, scope_id, family)
);
comment on table core.dora_scopes is
    'From which day on a scope has numbers of a family (deployments, delivery, recovery, pull_requests); kind_day: of its first '
    'event of the family; success_day: of its first successful production deployment; members: its services, of a team or repository.';

create function core.search_pattern(pattern text) returns text
    language sql immutable parallel safe
    return regexp_replace(pattern, '(^|[^\\])((?:\\\\)*)\\b', '\1\2\\y', 'g');
comment on function core.search_pattern(text) is
    'An admin''s regular expression as PostgreSQL understands it: its word boundary is \y, that of most others is \b.';
revoke execute on function core.search_pattern(text) from public;
grant execute on function core.search_pattern(text) to pulse_etl;

-- --------------------------------------------------------------------------------------------------------- the facts

alter table core.services
    add column production_branch text,
    add column deployment_pattern text;
comment on column core.services.path_pattern is 'Of a part of a monorepo: pattern of the files that belong to it.';
comment on column core.services.deployment_pattern is 'Of a part of a monorepo: pattern of what deploys it.';

alter table core.changes
    add column head_branch text,
    add column merged_on date,
    add column comment_count integer not null default 0,
    add column changes_requested_count integer not null default 0,
    add column reopened_count integer not null default 0,
    add column is_reviewed boolean not null default false;
comment on column core.changes.merged_on is 'Day of the merge in the client''s time zone.';
comment on column core.changes.is_reviewed is 'Somebody other than the author reviewed it before the merge.';
drop index core.changes_merged;
create index changes_merged on core.changes (client_id, merged_on);
create index changes_service_merged on core.changes (client_id, service_id, merged_on);
create index changes_position on core.changes (client_id, service_id, merge_position);
create index changes_pull_request on core.changes (client_id, integration_id, pull_request_id);
create index changes_url on core.changes (client_id, url);
create index changes_sha on core.changes (client_id, merge_commit_sha text_pattern_ops);
create index changes_undone on core.changes (client_id, reverts_change_id) where reverts_change_id is not null;

create table core.change_references (
    client_id  integer not null,
    change_id  text not null,
    issue_key  text not null,
    primary key (client_id, change_id, issue_key),
    foreign key (client_id, change_id) references core.changes (client_id, id) on delete cascade
);
create index change_references_issue on core.change_references (client_id, issue_key);
comment on table core.change_references is
    'One row an issue that a change names in its title or branch, or that its pull request closes: a Jira key (OPS-12), or '
    'a GitHub issue as owner/repository#12.';

alter table core.deployments
    add column repository_id bigint,
    add column finished_on date,
    add column contains_after bigint,
    add column failed_change boolean not null default false,
    add column failure_reason text,
    add column change_count integer not null default 0;
-- Flags come after the row: leave room to write them in place.
alter table core.deployments set (fillfactor = 70);
comment on column core.deployments.finished_on is 'Day of the finish in the client''s time zone.';
comment on column core.deployments.contains_after is
    'Highest position that an earlier successful production deployment of the service to this environment contained; NULL for the baseline.';
comment on column core.deployments.failed_change is 'A successful production deployment that an incident was linked to or that was rolled back at once.';
drop index core.deployments_finished;
create index deployments_finished on core.deployments (client_id, environment_tier, finished_on);
create index deployments_service_finished on core.deployments (client_id, service_id, environment_tier, finished_on);
create index deployments_order on core.deployments (client_id, service_id, finished_at)
    where environment_tier = 'production' and result = 'success';
create index deployments_position on core.deployments (client_id, service_id, environment, position)
    where contains_after < position;
create index deployments_sha on core.deployments (client_id, sha text_pattern_ops);
create index deployments_url on core.deployments (client_id, url);
create index deployments_ref on core.deployments (client_id, ref_name);
create index deployments_latest on core.deployments (client_id, finished_at);

alter table core.deployment_changes
    add column service_id text,
    add column deployed_at timestamptz,
    add column deployed_on date,
    add column lead_time_hours double precision,
    add column coding_hours double precision,
    add column pickup_hours double precision,
    add column review_hours double precision,
    add column merge_to_deploy_hours double precision,
    add column exclusion_reason text;
comment on column core.deployment_changes.exclusion_reason is 'Why the change does not count in the lead time: bot, no commits, negative duration.';
-- One row a change: the two look-ups a row would cost a third of the step. Both ends are keyed by the client, and the stage, the
-- only writer, takes a link back before either end.
alter table core.deployment_changes
    drop constraint deployment_changes_client_id_deployment_id_fkey,
    drop constraint deployment_changes_client_id_change_id_fkey;
create index deployment_changes_deployed on core.deployment_changes (client_id, deployed_on);
create index deployment_changes_service on core.deployment_changes (client_id, service_id, deployed_on);
create index deployment_changes_negative on core.deployment_changes (client_id, deployed_at)
    where exclusion_reason = 'negative duration';
create index deployment_changes_latest on core.deployment_changes (client_id, deployed_at);

alter table core.incidents
    add column resolved_on date,
    add column time_to_restore_hours double precision,
    add column is_external boolean not null default false;
comment on column core.incidents.is_external is 'Marked as not caused by a change (external_labels of the incident rule).';
create index incidents_service on core.incidents (client_id, service_id, created_at);
create index incidents_resolved on core.incidents (client_id, resolved_on);
create index incidents_service_resolved on core.incidents (client_id, service_id, resolved_on);

create table core.incident_references (
    client_id    integer not null,
    incident_id  text not null,
    kind         text not null check (kind in ('url', 'sha', 'linked', 'key', 'fix_version')),
    reference    text not null,
    primary key (client_id, incident_id, kind, reference),
    foreign key (client_id, incident_id) references core.incidents (client_id, id) on delete cascade
);
create index incident_references_reference on core.incident_references (client_id, kind, reference);
comment on table core.incident_references is
    'One row a thing that an incident names: addresses and commits in its text, keys of linked issues, its fix versions; '
    'kind key: under which key changes name the incident itself.';

alter table core.incident_deployments
    add column recovery_hours double precision,
    drop constraint incident_deployments_method_check,
    add constraint incident_deployments_method_check
        check (method in ('explicit', 'fix_reverts', 'linked_issue', 'fix_version', 'time_window'));

create table core.rework_evidence (
    client_id      integer not null,
    deployment_id  text not null,
    rule           text not null check (rule in ('rollback', 'hotfix', 'revert', 'incident')),
    evidence_id    text not null,
    evidence_text  text not null default '',
    evidence_url   text,
    primary key (client_id, deployment_id, rule, evidence_id),
    foreign key (client_id, deployment_id) references core.deployments (client_id, id) on delete cascade
);
comment on table core.rework_evidence is
    'One row a reason why a production deployment was unplanned: the deployment that it undid, or the change or incident that it repaired.';

-- Where the sources are looked up by something other than their key.
create index github_pull_requests_number on core.github_pull_requests (client_id, integration_id, repository_id, number);
create index github_pull_requests_reverts on core.github_pull_requests (client_id, integration_id, repository_id, reverts_number)
    where reverts_number is not null;
create index github_deployments_sha on core.github_deployments (client_id, integration_id, repository_id, sha);
create index github_workflow_runs_sha on core.github_workflow_runs (client_id, integration_id, repository_id, head_sha);
create index github_releases_sha on core.github_releases (client_id, integration_id, repository_id, sha);
create index custom_deployments_sha on core.custom_deployments (client_id, sha);
create index custom_changes_sha on core.custom_changes (client_id, merge_sha);
create index custom_deployments_service on core.custom_deployments (client_id, lower(service), service) where deleted_at is null;
create index custom_incidents_service on core.custom_incidents (client_id, lower(service), service) where deleted_at is null;
create index custom_changes_service on core.custom_changes (client_id, lower(service), service) where deleted_at is null;
-- report.freshness: the newest record of a source.
create index github_pull_requests_updated on core.github_pull_requests (client_id, integration_id, updated_at);
create index github_deployments_updated on core.github_deployments (client_id, integration_id, updated_at);
create index jira_issues_updated on core.jira_issues (client_id, integration_id, updated_at);

-- -------------------------------------------------------------------------------------------- what is and was published

alter table core.dora_metrics drop constraint dora_metrics_unit_check;
alter table core.dora_metrics add constraint dora_metrics_unit_check
    check (unit in ('per_day', 'days_per_week', 'hours', 'ratio', 'lines', 'count'));
alter table core.dora_metrics add column family text not null default 'deployments';
-- Hundreds of thousands of rows, each of the one client that the policy lets through: a look-up of it per row says nothing.
alter table core.dora_metrics drop constraint dora_metrics_client_id_fkey;

create table core.dora_publications (
    client_id           integer not null references core.clients (id),
    id                  bigint generated always as identity,
    published_at        timestamptz not null default now(),
    definition_version  text not null,
    reason              text not null check (reason in ('first', 'definition', 'data', 'calendar')),
    numbers             bigint not null,
    restated            bigint not null,
    primary key (client_id, id)
);
comment on table core.dora_publications is
    'One row a dora stage that changed published numbers: why, how many, and how many of them were of periods that had ended.';

create table core.dora_metric_history (
    client_id           integer not null,
    id                  bigint generated always as identity,
    metric_type         text not null,
    grain               text not null,
    scope_type          text not null,
    scope_id            text not null,
    calculation_date    date not null,
    period_start        date not null,
    period_end          date not null,
    is_partial          boolean not null,
    metric_value        double precision,
    unit                text not null,
    p50                 double precision,
    p75                 double precision,
    p90                 double precision,
    numerator           bigint,
    denominator         bigint,
    sample_size         bigint not null,
    null_reason         text,
    tier                text,
    tier_year           integer,
    definition_version  text not null,
    valid_from          timestamptz not null,
    valid_to            timestamptz not null,
    primary key (client_id, id)
);
create index dora_metric_history_cell on core.dora_metric_history
    (client_id, metric_type, grain, scope_type, scope_id, calculation_date, valid_from);
create index dora_metric_history_time on core.dora_metric_history (client_id, valid_to);
comment on table core.dora_metric_history is 'One row a published number that was replaced or taken back: what was said from valid_from until valid_to.';

create table core.dora_restatements (
    client_id           integer not null,
    id                  bigint generated always as identity,
    restated_at         timestamptz not null default now(),
    metric_type         text not null,
    grain               text not null,
    scope_type          text not null,
    scope_id            text not null,
    calculation_date    date not null,
    old_value           double precision,
    new_value           double precision,
    old_sample_size     bigint,
    new_sample_size     bigint,
    reason              text not null check (reason in ('definition', 'data')),
    cause               text not null default '',
    evidence            jsonb not null default '[]',
    primary key (client_id, id)
);
create index dora_restatements_time on core.dora_restatements (client_id, restated_at);
comment on table core.dora_restatements is
    'One row a published number of an ended period that has changed: what it was, what it is, and which facts made it so.';

-- Quality checks: one row a check and detail, as of the last dora stage. The trust panel reads from it.
drop view report.trust_panel;
drop table core.trust_indicators;
create table core.quality_results (
    client_id    integer not null references core.clients (id),
    check_name   text not null,
    detail       text not null default '',
    severity     text not null check (severity in ('block', 'warn', 'info')),
    status       text not null check (status in ('pass', 'fail', 'no_data')),
    value        double precision,
    threshold    double precision,
    numerator    bigint,
    denominator  bigint,
    message      text not null default '',
    examples     jsonb not null default '[]',
    measured_at  timestamptz not null default now(),
    primary key (client_id, check_name, detail)
);
comment on table core.quality_results is
    'One row a quality check (and detail): what it measured, whether it passed, examples of what it found. A failed check of '
    'severity block keeps the stage from publishing.';

select core.protect_table(target::regclass, etl => true, staff => true, reader => reader)
from (values ('core.dora_queue', false), ('core.dora_state', true), ('core.dora_scopes', true), ('core.dora_definitions', true),
             ('core.change_references', true), ('core.incident_references', true), ('core.rework_evidence', true),
             ('core.dora_publications', true), ('core.dora_metric_history', true), ('core.dora_restatements', true),
             ('core.quality_results', true)) as t (target, reader);

-- ------------------------------------------------------------------------------------------------ time that is counted

create table core.client_calendar (
    client_id            integer not null references core.clients (id),
    day                  date not null,
    starts_at            timestamptz not null,
    is_working           boolean not null,
    worked_hours_before  double precision not null,
    worked_days_before   integer not null,
    primary key (client_id, day)
);
create index client_calendar_start on core.client_calendar (client_id, starts_at);
-- A cascading delete fires the queue's triggers as the tables' owner.
create policy cascade on core.dora_queue for insert to pulse_owner with check (client_id = (select core.etl_client_id()));
select core.protect_table('core.client_calendar', etl => true, staff => true, reader => true);
comment on table core.client_calendar is
    'One row a day of a client that counts working days (dora.working_calendar): when it starts, and how many working hours '
    'and days came before it.';

create function core.worked_hours(moment timestamptz) returns double precision
    language sql stable parallel safe
    as $$
    select worked_hours_before + case when is_working then extract(epoch from moment - starts_at)::double precision / 3600 else 0 end
    from core.client_calendar
    where client_id = (select core.etl_client_id()) and starts_at <= moment
    order by starts_at desc limit 1
$$;
comment on function core.worked_hours(timestamptz) is 'Working hours from the start of the client''s calendar to a moment.';

create function core.elapsed_hours(from_at timestamptz, to_at timestamptz, working boolean) returns double precision
    language sql stable parallel safe
    as $$
    select case
        when not to_at >= from_at then null
        when working then core.worked_hours(to_at) - core.worked_hours(from_at)
        else extract(epoch from to_at - from_at)::double precision / 3600
    end
$$;
comment on function core.elapsed_hours(timestamptz, timestamptz, boolean) is
    'Hours from one moment to another; NULL when negative or when an end is missing. working: only those of working days.';
revoke execute on function core.worked_hours(timestamptz), core.elapsed_hours(timestamptz, timestamptz, boolean) from public;
grant execute on function core.worked_hours(timestamptz), core.elapsed_hours(timestamptz, timestamptz, boolean) to pulse_etl;

-- ---------------------------------------------------------------------------------------------------------- benchmarks

drop view report.benchmarks, report.lead_time_stages, report.kpi_current, report.metric_series, report.evidence_deployments,
    report.evidence_incidents, report.evidence_changes, core.incident_evidence, core.change_evidence;
drop function core.dora_tier(text, double precision);
drop table core.benchmarks;

create table core.benchmarks (
    metric_type       text not null,
    year              integer not null,
    kind              text not null check (kind in ('tier', 'distribution')),
    label             text not null,
    lower_bound       double precision,
    upper_bound       double precision,
    cumulative_share  double precision,
    published_text    text not null,
    source            text not null,
    primary key (metric_type, year, label)
);
comment on table core.benchmarks is
    'Published benchmark tables: reference data, the same for every client. A value belongs to the row with lower_bound <= value '
    '< upper_bound (hours, per day, ratio); of the change failure rate''s tiers it is a point. distribution: cumulative_share of teams do at least as well.';
insert into core.benchmarks
select m.metric_type, y.year, 'tier', t.label, t.lower_bound, t.upper_bound, null, t.published_text, y.source
from (values (2023, 'DORA report 2023 (thresholds as in Apache DevLake)'), (2024, 'DORA report 2024, p. 13')) as y (year, source)
cross join (values ('deployment_frequency'), ('lead_time_for_changes'), ('failed_deployment_recovery_time')) as m (metric_type)
join (values
    ('deployment_frequency', 'elite', 1, null, 'on demand (multiple deploys per day)'),
    ('deployment_frequency', 'high', 1.0 / 7, 1, 'between once per day and once per week'),
    ('deployment_frequency', 'medium', 1.0 / 30.4, 1.0 / 7, 'between once per week and once per month'),
    ('deployment_frequency', 'low', 0, 1.0 / 30.4, 'fewer than once per month'),
    ('lead_time_for_changes', 'elite', 0, 24, 'less than one day'),
    ('lead_time_for_changes', 'high', 24, 168, 'between one day and one week'),
    ('lead_time_for_changes', 'medium', 168, 730, 'between one week and one month'),
    ('lead_time_for_changes', 'low', 730, null, 'more than one month'),
    ('failed_deployment_recovery_time', 'elite', 0, 1, 'less than one hour'),
    ('failed_deployment_recovery_time', 'high', 1, 24, 'less than one day'),
    ('failed_deployment_recovery_time', 'medium', 24, 168, 'between one day and one week (2024 as published: less than one day, as high)'),
    ('failed_deployment_recovery_time', 'low', 168, null, 'more than one week')
) as t (metric_type, label, lower_bound, upper_bound, published_text) on t.metric_type = m.metric_type;
-- Points, not ranges, and in 2024 not even in order: the change failure rate never gives a tier.
insert into core.benchmarks values
    ('change_failure_rate', 2023, 'tier', 'elite', null, 0.05, null, '5 %', 'DORA report 2023'),
    ('change_failure_rate', 2023, 'tier', 'high', null, 0.10, null, '10 %', 'DORA report 2023'),
    ('change_failure_rate', 2023, 'tier', 'medium', null, 0.15, null, '15 %', 'DORA report 2023'),
    ('change_failure_rate', 2023, 'tier', 'low', null, 0.64, null, '64 %', 'DORA report 2023'),
    ('change_failure_rate', 2024, 'tier', 'elite', null, 0.05, null, '5 %', 'DORA report 2024, p. 13'),
    ('change_failure_rate', 2024, 'tier', 'high', null, 0.20, null, '20 %', 'DORA report 2024, p. 13'),
    ('change_failure_rate', 2024, 'tier', 'medium', null, 0.10, null, '10 %', 'DORA report 2024, p. 13'),
    ('change_failure_rate', 2024, 'tier', 'low', null, 0.40, null, '40 %', 'DORA report 2024, p. 13'),
    ('deployment_frequency', 2025, 'distribution', 'on demand', 1, null, 0.162, 'on demand: 16.2 % of teams', 'DORA report 2025'),
    ('deployment_frequency', 2025, 'distribution', 'weekly', 1.0 / 7, 1, 0.446, 'at least once per week: 44.6 %', 'DORA report 2025'),
    ('deployment_frequency', 2025, 'distribution', 'monthly', 1.0 / 30.4, 1.0 / 7, 0.761, 'at least once per month: 76.1 %', 'DORA report 2025'),
    ('lead_time_for_changes', 2025, 'distribution', 'under an hour', 0, 1, 0.094, 'less than one hour: 9.4 %', 'DORA report 2025'),
    ('lead_time_for_changes', 2025, 'distribution', 'under a day', 1, 24, 0.244, 'less than one day: 24.4 %', 'DORA report 2025'),
    ('lead_time_for_changes', 2025, 'distribution', 'under a week', 24, 168, 0.564, 'less than one week: 56.4 %', 'DORA report 2025'),
    ('failed_deployment_recovery_time', 2025, 'distribution', 'under an hour', 0, 1, 0.213, 'less than one hour: 21.3 %', 'DORA report 2025'),
    ('failed_deployment_recovery_time', 2025, 'distribution', 'under a day', 1, 24, 0.565, 'less than one day: 56.5 %', 'DORA report 2025'),
    ('change_failure_rate', 2025, 'distribution', 'up to 2 %', 0, 0.02, 0.085, '0 to 2 %: 8.5 %', 'DORA report 2025'),
    ('change_failure_rate', 2025, 'distribution', 'up to 4 %', 0.02, 0.04, 0.166, 'up to 4 %: 16.6 %', 'DORA report 2025'),
    ('change_failure_rate', 2025, 'distribution', 'up to 8 %', 0.04, 0.08, 0.362, 'up to 8 %: 36.2 %', 'DORA report 2025'),
    ('change_failure_rate', 2025, 'distribution', 'up to 16 %', 0.08, 0.16, 0.622, 'up to 16 %: 62.2 %', 'DORA report 2025');
grant select on core.benchmarks to pulse_etl, pulse_staff, pulse_reader;

alter table core.metric_catalogue add column family text not null default 'deployments', add column unit text not null default 'hours',
    add column benchmark_metric text;
insert into core.metric_catalogue (metric_type, metric_label, display_unit, factor, better, sort_order) values
    ('deployment_days_per_week', 'Days with a deployment per week', 'days', 1, 'higher', 7),
    ('lead_time_coding', 'Lead time: coding', 'hours', 1, 'lower', 8),
    ('lead_time_pickup', 'Lead time: waiting for review', 'hours', 1, 'lower', 9),
    ('lead_time_review', 'Lead time: review', 'hours', 1, 'lower', 10),
    ('lead_time_merge_to_deploy', 'Lead time: waiting for deployment', 'hours', 1, 'lower', 11),
    ('pull_request_size', 'Size of a pull request', 'lines', 1, 'lower', 12),
    ('review_depth', 'Reviews and comments per pull request', 'count', 1, 'higher', 13),
    ('rework_cycles', 'Requests for changes per pull request', 'count', 1, 'lower', 14),
    ('merged_without_review', 'Merged without review', '%', 100, 'lower', 15),
    ('reopened_pull_requests', 'Reopened pull requests', '%', 100, 'lower', 16);
update core.metric_catalogue k set family = v.family, unit = v.unit, benchmark_metric = v.benchmark_metric
from (values
    ('deployment_frequency', 'deployments', 'per_day', 'deployment_frequency'),
    ('deployment_days_per_week', 'deployments', 'days_per_week', null),
    ('change_failure_rate', 'deployments', 'ratio', null), ('deployment_rework_rate', 'deployments', 'ratio', null),
    ('lead_time_for_changes', 'delivery', 'hours', 'lead_time_for_changes'), ('lead_time_coding', 'delivery', 'hours', null),
    ('lead_time_pickup', 'delivery', 'hours', null), ('lead_time_review', 'delivery', 'hours', null),
    ('lead_time_merge_to_deploy', 'delivery', 'hours', null),
    ('failed_deployment_recovery_time', 'recovery', 'hours', 'failed_deployment_recovery_time'),
    ('time_to_restore', 'recovery', 'hours', 'failed_deployment_recovery_time'),
    ('pull_request_size', 'pull_requests', 'lines', null), ('review_depth', 'pull_requests', 'count', null),
    ('rework_cycles', 'pull_requests', 'count', null), ('merged_without_review', 'pull_requests', 'ratio', null),
    ('reopened_pull_requests', 'pull_requests', 'ratio', null)
) as v (metric_type, family, unit, benchmark_metric) where v.metric_type = k.metric_type;
comment on column core.metric_catalogue.benchmark_metric is 'Whose benchmark table gives this metric''s tier; NULL: none does.';

-- ------------------------------------------------------------------------------------------------- views for dashboards
-- One a purpose, client_id first, each reading as the caller. Facts carry their numbers, so no view computes one.

alter table core.changes
    add column coding_hours double precision,
    add column pickup_hours double precision,
    add column review_hours double precision;
alter table core.deployments add column incident_keys text;

create view report.evidence_changes with (security_invoker = true) as
select
    c.client_id, c.id as change_id, c.service_id, s.name as service_name, c.number, c.title, c.url, c.author,
    c.first_commit_at, c.opened_at, c.first_review_at, c.approved_at, c.merged_at, l.deployment_id, l.deployed_at,
    d.url as deployment_url, l.lead_time_hours, c.coding_hours, c.pickup_hours, c.review_hours, l.merge_to_deploy_hours,
    l.deployment_id is not null and l.exclusion_reason is null as in_lead_time,
    case when l.deployment_id is null then 'not deployed' else l.exclusion_reason end as exclusion_reason,
    core.display_text('hours', l.lead_time_hours) as lead_time_text, c.is_bot, c.is_revert, c.is_hotfix,
    c.merge_commit_sha, c.reverts_change_id
from core.changes c
join core.services s on (s.client_id, s.id) = (c.client_id, c.service_id)
left join core.deployment_changes l on (l.client_id, l.change_id) = (c.client_id, c.id)
left join core.deployments d on (d.client_id, d.id) = (l.client_id, l.deployment_id);
comment on view report.evidence_changes is 'One row a merged change: behind the lead time and its stages. deployment_id is NULL until it is deployed.';

create view report.evidence_commits with (security_invoker = true) as
select
    c.client_id, c.id as change_id, c.service_id, c.number, c.url, k.sha, k.position, k.authored_at, k.committed_at,
    k.author_login as author, k.headline, c.merged_at, l.deployment_id, l.deployed_at
from core.changes c
join core.github_pull_request_commits k
  on (k.client_id, k.integration_id, k.pull_request_id) = (c.client_id, c.integration_id, c.pull_request_id)
left join core.deployment_changes l on (l.client_id, l.change_id) = (c.client_id, c.id);
comment on view report.evidence_commits is 'One row a commit of a merged change, with the deployment that brought it: lead times by commit.';

create view report.evidence_pull_requests with (security_invoker = true) as
select
    c.client_id, c.id as change_id, c.service_id, s.name as service_name, c.number, c.title, c.url, c.author, c.merged_at,
    c.merged_on, c.additions + c.deletions as size_lines, c.additions, c.deletions, c.changed_files, c.commit_count,
    c.review_count + c.comment_count as review_depth, c.review_count, c.comment_count, c.changes_requested_count,
    c.is_reviewed, c.reopened_count, c.is_bot, c.is_revert, c.is_hotfix
from core.changes c
join core.services s on (s.client_id, s.id) = (c.client_id, c.service_id);
comment on view report.evidence_pull_requests is 'One row a merged change: behind size, review depth, rework cycles, unreviewed and reopened pull requests.';

create view report.evidence_deployments with (security_invoker = true) as
select
    d.client_id, d.id as deployment_id, d.service_id, s.name as service_name, d.environment, d.environment_tier,
    d.source, d.result, d.sha, d.ref_name, d.url, d.finished_at, d.is_baseline, d.is_rollback, d.is_rework,
    d.rework_reason, d.failed_change, d.failure_reason, d.incident_keys, d.change_count, d.created_at, d.rolled_back_by
from core.deployments d
join core.services s on (s.client_id, s.id) = (d.client_id, d.service_id);
comment on view report.evidence_deployments is 'One row a completed deployment: behind deployment frequency, change failure rate and rework rate.';

create view report.evidence_incidents with (security_invoker = true) as
select
    i.client_id, i.id as incident_id, i.key, i.title, i.url, i.severity, i.service_id, s.name as service_name,
    i.created_at, i.resolved_at, l.deployment_id as caused_by_deployment_id, d.finished_at as deployment_finished_at,
    l.method, l.confidence, i.time_to_restore_hours, l.recovery_hours,
    core.display_text('hours', l.recovery_hours) as recovery_text,
    core.display_text('hours', i.time_to_restore_hours) as restore_text,
    case l.method
        when 'explicit' then 'yes, the incident names it'
        when 'fix_reverts' then 'yes, its change was undone'
        when 'linked_issue' then 'yes, by a linked issue'
        when 'fix_version' then 'likely, by the version that fixed it'
        when 'time_window' then 'likely, the last one before'
    end as method_text,
    d.url as deployment_url, i.is_external
from core.incidents i
left join core.services s on (s.client_id, s.id) = (i.client_id, i.service_id)
left join core.incident_deployments l on (l.client_id, l.incident_id) = (i.client_id, i.id)
left join core.deployments d on (d.client_id, d.id) = (l.client_id, l.deployment_id);
comment on view report.evidence_incidents is 'One row an incident: behind the recovery times; and which deployment caused it, how we know.';

create view report.evidence_rework with (security_invoker = true) as
select
    e.client_id, e.deployment_id, d.service_id, s.name as service_name, d.finished_at, d.url as deployment_url, e.rule,
    e.evidence_id, e.evidence_text, e.evidence_url
from core.rework_evidence e
join core.deployments d on (d.client_id, d.id) = (e.client_id, e.deployment_id)
join core.services s on (s.client_id, s.id) = (d.client_id, d.service_id);
comment on view report.evidence_rework is 'One row a reason why a production deployment was unplanned: behind the deployment rework rate.';

create view report.metric_series with (security_invoker = true) as
with numbers as (
    select m.client_id, m.metric_type, m.unit, m.grain, m.scope_type, m.scope_id, m.period_start, m.period_end, m.is_partial,
           m.metric_value, m.p50, m.p75, m.p90, m.numerator, m.denominator, m.sample_size, m.null_reason, m.tier, m.tier_year,
           m.calculation_date
    from core.dora_metrics m
    union all
    -- A repository that is one service has that service's numbers.
    select m.client_id, m.metric_type, m.unit, m.grain, 'repository', m.scope_id, m.period_start, m.period_end, m.is_partial,
           m.metric_value, m.p50, m.p75, m.p90, m.numerator, m.denominator, m.sample_size, m.null_reason, m.tier, m.tier_year,
           m.calculation_date
    from core.dora_metrics m
    join core.services s on (s.client_id, s.id) = (m.client_id, m.scope_id)
    where m.scope_type = 'service' and s.repository_id is not null
      and not exists (select from core.services o
                      where o.client_id = s.client_id and o.integration_id = s.integration_id
                        and o.repository_id = s.repository_id and o.id <> s.id)
)
select
    m.client_id, m.metric_type, k.metric_label, m.unit, k.display_unit, m.grain, m.scope_type, m.scope_id,
    case m.scope_type when 'client' then 'All services' else coalesce(s.name, m.scope_id) end as scope_name,
    m.period_start::timestamp as period_at, m.period_end, m.is_partial, m.metric_value,
    m.metric_value * k.factor as display_value, m.p50, m.p75, m.p90, m.numerator, m.denominator, m.sample_size,
    m.null_reason, m.tier, m.tier_year, m.calculation_date
from numbers m
join core.metric_catalogue k on k.metric_type = m.metric_type
left join core.services s on m.scope_type in ('service', 'repository') and (s.client_id, s.id) = (m.client_id, m.scope_id);
comment on view report.metric_series is 'One row a published number: metric, grain, scope and period.';

create view report.kpi_current with (security_invoker = true) as
select
    m.client_id, c.name as client_name, m.metric_type, k.metric_label, k.sort_order, m.metric_value, m.unit,
    m.metric_value * k.factor as display_value, k.display_unit, core.display_text(m.unit, m.metric_value) as display_text,
    p.metric_value as previous_value,
    case when p.metric_value <> 0 then (m.metric_value - p.metric_value) / p.metric_value end as delta_ratio,
    case
        when m.metric_value is null or p.metric_value is null then null
        when abs(m.metric_value - p.metric_value) <= 0.02 * greatest(abs(p.metric_value), 1e-9) then 'flat'
        when (m.metric_value > p.metric_value) = (k.better = 'higher') then 'better'
        else 'worse'
    end as trend,
    m.tier, case m.tier when 'elite' then 4 when 'high' then 3 when 'medium' then 2 when 'low' then 1 end as tier_rank,
    m.tier_year, m.sample_size, m.null_reason, m.period_start, m.period_end, m.definition_version, m.published_at,
    core.display_text(m.unit, p.metric_value) as previous_text, initcap(m.tier) as tier_name,
    case m.tier when 'elite' then '●●●●' when 'high' then '●●●○' when 'medium' then '●●○○' when 'low' then '●○○○' end
        as tier_dots,
    case when m.denominator is not null then m.numerator || ' of ' || m.denominator
            || case k.family when 'pull_requests' then ' pull requests' else ' deployments' end
        else 'from ' || m.sample_size || ' records' end as sample_text,
    peers.cumulative_share as peer_share, peers.year as peer_year
from core.dora_state t
join core.clients c on c.id = t.client_id
join core.dora_metrics m
  on m.client_id = t.client_id and m.grain = 'rolling_30d' and m.scope_type = 'client' and m.scope_id = ''
 and m.calculation_date = t.computed_through
join core.metric_catalogue k on k.metric_type = m.metric_type
left join core.dora_metrics p
  on (p.client_id, p.metric_type, p.grain, p.scope_type, p.scope_id, p.calculation_date)
   = (m.client_id, m.metric_type, m.grain, m.scope_type, m.scope_id, m.period_start - 1)
left join core.benchmarks peers
  on peers.metric_type = m.metric_type and peers.kind = 'distribution' and peers.year = 2025
 and m.metric_value >= peers.lower_bound and (m.metric_value < peers.upper_bound or peers.upper_bound is null);
comment on view report.kpi_current is 'One row a metric: the 30 days up to today for the whole company, beside the 30 days before.';

create view report.lead_time_stages with (security_invoker = true) as
select
    m.client_id, m.grain, m.period_start::timestamp as period_at,
    case m.scope_type when 'service' then m.scope_id end as service_id, s.name as service_name,
    replace(m.metric_type, 'lead_time_', '') as stage,
    case m.metric_type when 'lead_time_coding' then 1 when 'lead_time_pickup' then 2 when 'lead_time_review' then 3 else 4 end
        as stage_order,
    m.metric_value as median_hours, m.sample_size
from core.dora_metrics m
left join core.services s on m.scope_type = 'service' and (s.client_id, s.id) = (m.client_id, m.scope_id)
where m.metric_type in ('lead_time_coding', 'lead_time_pickup', 'lead_time_review', 'lead_time_merge_to_deploy')
  and m.grain in ('week', 'month') and m.scope_type in ('client', 'service');
comment on view report.lead_time_stages is
    'Median hours of each stage of the lead time by week and month; service_id is NULL for the whole company.';

create view report.metrics_as_reported with (security_invoker = true) as
select h.client_id, h.metric_type, h.grain, h.scope_type, h.scope_id, h.calculation_date, h.period_start, h.period_end,
       h.is_partial, h.metric_value, h.unit, h.p50, h.p75, h.p90, h.numerator, h.denominator, h.sample_size, h.null_reason,
       h.tier, h.tier_year, h.definition_version, h.valid_from, h.valid_to
from core.dora_metric_history h
union all
select m.client_id, m.metric_type, m.grain, m.scope_type, m.scope_id, m.calculation_date, m.period_start, m.period_end,
       m.is_partial, m.metric_value, m.unit, m.p50, m.p75, m.p90, m.numerator, m.denominator, m.sample_size, m.null_reason,
       m.tier, m.tier_year, m.definition_version, m.published_at, timestamptz '9999-12-31 00:00:00+00'
from core.dora_metrics m;
comment on view report.metrics_as_reported is
    'Every number as it was published: with valid_from <= t and valid_to > t, what was said at t.';

create view report.restatements with (security_invoker = true) as
select r.client_id, r.restated_at, r.metric_type, k.metric_label, r.grain, r.scope_type, r.scope_id, r.calculation_date,
       r.old_value, r.new_value, core.display_text(k.unit, r.old_value) as old_text,
       core.display_text(k.unit, r.new_value) as new_text, r.old_sample_size, r.new_sample_size, r.reason, r.cause, r.evidence
from core.dora_restatements r
join core.metric_catalogue k on k.metric_type = r.metric_type;
comment on view report.restatements is 'One row a published number of an ended period that has changed: what it was, what it is, why.';

create view report.publications with (security_invoker = true) as
select p.client_id, p.id as publication_id, p.published_at, p.reason, p.numbers, p.restated, p.definition_version
from core.dora_publications p;
comment on view report.publications is 'One row a time that published numbers changed.';

create view report.quality_checks with (security_invoker = true) as
select q.client_id, q.check_name, q.detail, q.severity, q.status, q.value, q.threshold, q.numerator, q.denominator, q.message,
       q.examples, q.measured_at
from core.quality_results q;
comment on view report.quality_checks is 'One row a quality check: what it measured, whether it passed, examples of what it found.';

create view report.trust_panel with (security_invoker = true) as
select
    q.client_id, q.check_name as indicator, coalesce(k.label, initcap(replace(q.check_name, '_', ' '))) as label, q.detail,
    q.value,
    case
        when q.value is null then '—'
        when q.denominator is not null then to_char(q.value * 100, 'FM990') || ' % (' || q.numerator || ' of ' || q.denominator || ')'
        else to_char(q.value, 'FM9999990')
    end as display_text,
    q.numerator, q.denominator, case when q.status = 'no_data' then 'no_data' end as null_reason,
    coalesce(k.sort_order, 99) as sort_order, q.measured_at, q.severity, q.status, q.message
from core.quality_results q
left join (values
    ('deployments_with_changes', 'Deployments with changes', 1), ('changes_deployed', 'Merged changes deployed', 2),
    ('incidents_linked', 'Incidents linked to a deployment', 3), ('stored_of_upstream', 'Records held of those upstream', 4),
    ('rejected_records', 'Records that could not be read', 5), ('negative_durations', 'Changes with impossible times', 6)
) as k (check_name, label, sort_order) on k.check_name = q.check_name
where k.check_name is not null or q.status = 'fail';
comment on view report.trust_panel is 'One row a quality indicator, as an executive reads it; of the other checks those that failed.';

create view report.benchmarks with (security_invoker = true) as
select metric_type, year, label as tier, lower_bound, upper_bound, published_text, source, kind, cumulative_share
from core.benchmarks;
comment on view report.benchmarks is 'One row a published benchmark: a tier of 2023 or 2024, or a point of a distribution of 2025.';

comment on view report.freshness is 'One row an active integration: when it was last read, and how old the newest record is.';

grant select on all tables in schema report to pulse_staff, pulse_reader;
do $$
begin
    if current_setting('server_version_num')::integer >= 170000 then
        execute 'grant maintain on all tables in schema raw, core to pulse_etl';
    end if;
end $$;

-- Every column of every view, in words: one dictionary, and exceptions by view.
do $$
declare
    target record;
    text text;
    words constant jsonb := $j${
        "client_id": "The client.", "client_name": "The client's name.",
        "change_id": "Identity of the change: gh-pr:<integration>:<pull request>, or custom:<integration>:<record>.",
        "deployment_id": "Identity of the deployment that brought it.", "incident_id": "Identity of the incident.",
        "service_id": "The service.", "service_name": "The service's name.", "number": "Number of the pull request.",
        "title": "Title.", "url": "Where to look at it upstream.", "author": "Login of the author.",
        "first_commit_at": "Earliest authored (setting dora.commit_date: or committed) date of its commits.",
        "opened_at": "Published, or marked ready for review.", "first_review_at": "First review by a person other than the author.",
        "approved_at": "First approval.", "merged_at": "Merged.", "merged_on": "Day of the merge in the client's time zone.",
        "deployed_at": "Finish of the first production deployment that contains it.",
        "deployment_url": "Where to look at the deployment.", "lead_time_hours": "Hours from dora.start_event to the deployment; NULL when negative or unknown.",
        "coding_hours": "Hours from the first commit until it was opened.", "pickup_hours": "Hours from opened until the first review.",
        "review_hours": "Hours from the first review until the merge.", "merge_to_deploy_hours": "Hours from the merge until the deployment.",
        "in_lead_time": "Counts in the lead time for changes.", "exclusion_reason": "Why it does not: not deployed, bot, no commits, negative duration.",
        "lead_time_text": "The lead time as a person says it.", "is_bot": "The author is a bot.", "is_revert": "It reverts another change.",
        "is_hotfix": "Title or branch match dora.hotfix_pattern.", "merge_commit_sha": "The merge commit.",
        "reverts_change_id": "The change that it undoes.", "sha": "The commit.", "position": "Place in the pull request, or on the default branch.",
        "authored_at": "Authored date.", "committed_at": "Committed date.", "headline": "First line of the message.",
        "size_lines": "Lines added and deleted.", "additions": "Lines added.", "deletions": "Lines deleted.",
        "changed_files": "Files changed.", "commit_count": "Commits.", "review_depth": "Reviews and comments.",
        "review_count": "Reviews.", "comment_count": "Comments.", "changes_requested_count": "Reviews that requested changes.",
        "is_reviewed": "Somebody other than the author reviewed it before the merge.", "reopened_count": "How often it was reopened.",
        "environment": "Environment as upstream names it.", "environment_tier": "production or other.",
        "source": "What the record is upstream: deployment, workflow_run, release, merge, http_json.", "result": "success or failure.",
        "ref_name": "Branch or tag.", "finished_at": "First success, else first failure.",
        "is_baseline": "First of its service and environment with a known commit: claims no changes.",
        "is_rollback": "Went back behind the deployment before it.", "is_rework": "Unplanned: see evidence_rework.",
        "rework_reason": "Why it was unplanned.", "failed_change": "An incident is linked to it, or it was rolled back at once.",
        "failure_reason": "Which incident, or that it was rolled back.", "incident_keys": "Keys of the linked incidents.",
        "change_count": "How many changes it brought.", "rolled_back_by": "The deployment that undid it at once.",
        "key": "Key upstream.", "severity": "Severity or priority.", "created_at": "Created.",
        "resolved_at": "First entry into a done status after the last reopening.",
        "caused_by_deployment_id": "The deployment that caused it.", "deployment_finished_at": "When that one finished.",
        "method": "How the cause was found: explicit, fix_reverts, linked_issue, fix_version, time_window.",
        "confidence": "Confidence of the method, 0 to 1.", "time_to_restore_hours": "Hours from created to resolved.",
        "recovery_hours": "Hours from the finish of the causing deployment to resolved.", "recovery_text": "recovery_hours as a person says it.",
        "restore_text": "time_to_restore_hours as a person says it.", "method_text": "The method as a person says it.",
        "is_external": "Marked as not caused by a change.", "rule": "Why it was unplanned: rollback, hotfix, revert, incident.",
        "evidence_id": "The change, deployment or incident that shows it.", "evidence_text": "Its title.", "evidence_url": "Its address.",
        "metric_type": "Name of the metric.", "metric_label": "The metric as a person says it.", "unit": "Unit of metric_value.",
        "display_unit": "Unit of display_value.", "grain": "day, week, month, rolling_7d, rolling_30d, rolling_90d.",
        "scope_type": "client, service, team or repository.", "scope_id": "Which one; empty for the client.", "scope_name": "Its name.",
        "period_at": "First day of the period, for charts.", "period_start": "First day of the period.", "period_end": "Day after its last.",
        "calculation_date": "Last day of the period.", "is_partial": "Has not ended, or began before the scope's first event.",
        "metric_value": "The value; NULL with a null_reason.", "display_value": "The value in display_unit.", "p50": "Median.",
        "p75": "75th percentile.", "p90": "90th percentile.", "numerator": "Numerator of a ratio, or the count.",
        "denominator": "Denominator of a ratio.", "sample_size": "How many events it was made from.",
        "null_reason": "Why there is no value: no_data, below_minimum_sample, no_working_days.",
        "tier": "elite, high, medium or low.", "tier_year": "Year of the table that gave the tier.", "sort_order": "Order of display.",
        "display_text": "The value as a person says it.", "previous_value": "The value of the 30 days before.",
        "delta_ratio": "Change against the 30 days before.", "trend": "better, worse or flat.", "tier_rank": "4 elite to 1 low.",
        "definition_version": "Which settings: core.dora_definitions.", "published_at": "When it was published.",
        "previous_text": "previous_value as a person says it.", "tier_name": "The tier as a person says it.",
        "tier_dots": "The tier as dots.", "sample_text": "What it was made from, in words.",
        "peer_share": "Share of teams that do at least as well (distribution of peer_year).", "peer_year": "Year of that distribution.",
        "stage": "coding, pickup, review or merge_to_deploy.", "stage_order": "Order of the stages.", "median_hours": "Median hours of the stage.",
        "valid_from": "When this was published.", "valid_to": "Until when it stood; the end of the year 9999: it stands.",
        "restated_at": "When it was restated.", "old_value": "What it was.", "new_value": "What it is.", "old_text": "old_value in words.",
        "new_text": "new_value in words.", "old_sample_size": "Its sample before.", "new_sample_size": "Its sample now.",
        "reason": "Why: definition or data.", "cause": "What moved, in words.", "evidence": "Which facts (up to five a kind).",
        "publication_id": "Number of the publication.", "numbers": "How many numbers changed.", "restated": "How many of them were of ended periods.",
        "check_name": "Name of the check.", "detail": "Part of the check.", "status": "pass, fail or no_data.", "value": "What it measured.",
        "threshold": "What it is held against.", "message": "What is wrong and what to do.", "examples": "Up to five records.",
        "measured_at": "When it last changed.", "indicator": "Name of the check.", "label": "The check as a person says it.",
        "year": "Year of the report.", "lower_bound": "From here on (included).", "upper_bound": "Up to here (excluded).",
        "published_text": "As published.", "kind": "tier or distribution.", "cumulative_share": "Share of teams that do at least as well.",
        "integration": "Name of the integration.", "integration_type": "github, jira or http_json.",
        "last_success_at": "When it was last read without a failure.", "newest_record_at": "When its newest record changed upstream.",
        "age_hours": "Hours since then.", "rows_rejected": "Records that could not be read.",
        "publications.reason": "first, definition, data, or calendar: a day went by.",
        "quality_checks.severity": "block stops the publication; warn and info do not.",
        "trust_panel.severity": "block stops the publication; warn and info do not.",
        "benchmarks.tier": "Label of the row.", "benchmarks.source": "Which report.",
        "evidence_deployments.deployment_id": "Identity of the deployment.", "evidence_rework.deployment_id": "Identity of the deployment.",
        "evidence_rework.finished_at": "When it finished."
    }$j$;
begin
    for target in
        select c.relname as view, a.attname as column
        from pg_class c join pg_attribute a on a.attrelid = c.oid
        where c.relnamespace = 'report'::regnamespace and c.relkind = 'v' and a.attnum > 0
    loop
        text := coalesce(words ->> (target.view || '.' || target.column), words ->> target.column);
        if text is null then
            raise exception 'report.%.% has no word', target.view, target.column;
        end if;
        execute format('comment on column report.%I.%I is %L', target.view, target.column, text);
    end loop;
end $$;
