-- Flow metrics of Jira: work items with their durations, time in status, sprints, published numbers; written by
-- include/sql/work, read through the report views below.

-- --------------------------------------------------------------------------------------------------------- the facts

create table core.work_items (
    client_id         integer not null references core.clients (id),
    id                text not null,
    integration_id    bigint not null,
    issue_id          bigint not null,
    project_key       text not null,
    key               text not null,
    url               text not null,
    issue_type        text not null,
    is_bug            boolean not null,
    summary           text not null,
    status            text not null,
    status_category   text not null,
    service_id        text,
    story_points      numeric,
    created_at        timestamptz not null,
    started_at        timestamptz,
    done_at           timestamptz,
    created_on        date not null,
    started_on        date,
    done_on           date,
    cycle_time_hours  double precision,
    lead_time_hours   double precision,
    reopened_count    integer not null,
    is_incident       boolean not null,
    primary key (client_id, id)
);
create index work_items_created on core.work_items (client_id, created_on);
create index work_items_done on core.work_items (client_id, done_on);
create index work_items_open on core.work_items (client_id, started_on) where done_on is null;
create index work_items_incidents on core.work_items (client_id, id) where is_incident;
comment on table core.work_items is 'One row a Jira issue that is not deleted: when work on it began and ended.';
comment on column core.work_items.started_at is
    'First entry into a status of category indeterminate (its creation counts when it was created in one); else first entry into a done status.';
comment on column core.work_items.done_at is
    'First entry into a done status after the last reopening, of an issue that is done now; else its resolution date.';

create table core.work_status_times (
    client_id        integer not null references core.clients (id),
    work_item_id     text not null,
    status           text not null,
    status_category  text not null,
    hours            double precision,
    visits           integer not null,
    entered_at       timestamptz,
    primary key (client_id, work_item_id, status)
);
comment on table core.work_status_times is
    'One row an issue and status. The hours of a done issue''s statuses add up to its lead time: what follows done_at counts 0.';
comment on column core.work_status_times.hours is 'Hours of the visits that have ended; NULL when none has.';
comment on column core.work_status_times.entered_at is 'Since when the issue is in this status now; NULL for statuses that it has left.';

create table core.work_sprint_items (
    client_id       integer not null references core.clients (id),
    integration_id  bigint not null,
    sprint_id       bigint not null,
    issue_id        bigint not null,
    work_item_id    text not null,
    joined_at       timestamptz not null,
    left_at         timestamptz,
    is_planned      boolean not null,
    is_added        boolean not null,
    is_removed      boolean not null,
    is_completed    boolean not null,
    entry_points    numeric,
    end_points      numeric,
    primary key (client_id, integration_id, sprint_id, issue_id)
);
create index work_sprint_items_issue on core.work_sprint_items (client_id, integration_id, issue_id);
comment on table core.work_sprint_items is
    'One row a sprint and an issue that is or was in it. All flags are false for an issue that was already done when it came '
    'in, left before the start, came after the end, or whose sprint has not started.';
comment on column core.work_sprint_items.entry_points is 'Story points when the sprint started, or when the issue was added.';
comment on column core.work_sprint_items.end_points is 'Story points when the sprint ended; now, while it runs.';

create table core.work_sprints (
    client_id                integer not null references core.clients (id),
    integration_id           bigint not null,
    id                       bigint not null,
    board_id                 bigint,
    name                     text not null,
    state                    text not null,
    started_at               timestamptz,
    ends_at                  timestamptz,
    completed_at             timestamptz,
    planned_items            integer,
    planned_points           numeric,
    added_items              integer,
    added_points             numeric,
    removed_items            integer,
    removed_points           numeric,
    completed_items          integer,
    completed_points         numeric,
    completed_planned_items  integer,
    completion_ratio         double precision,
    null_reason              text,
    primary key (client_id, integration_id, id),
    check (completion_ratio is not null or null_reason is not null)
);
comment on table core.work_sprints is 'One row a sprint: what was planned, added, removed and completed. The counts are NULL until it starts.';

-- ------------------------------------------------------------------------------------------- what is published

create table core.work_metrics (
    client_id         integer not null references core.clients (id),
    metric_type       text not null check (metric_type in ('cycle_time', 'lead_time', 'throughput', 'work_in_progress',
                                                           'reopened_share', 'bug_share', 'incident_load')),
    grain             text not null check (grain in ('week', 'month', 'rolling_30d')),
    scope_type        text not null check (scope_type in ('client', 'project')),
    scope_id          text not null,
    calculation_date  date not null,
    period_start      date not null,
    period_end        date not null,
    is_partial        boolean not null,
    metric_value      double precision,
    unit              text not null check (unit in ('hours', 'count', 'ratio')),
    p50               double precision,
    p75               double precision,
    p90               double precision,
    numerator         bigint,
    denominator       bigint,
    sample_size       bigint not null,
    null_reason       text,
    published_at      timestamptz not null default now(),
    primary key (client_id, metric_type, grain, scope_type, scope_id, calculation_date),
    check (metric_value is not null or null_reason is not null)
);
comment on table core.work_metrics is
    'One row a metric, period and scope. A period is [period_start, period_end) in the client''s calendar, calculation_date its last day.';

create table core.work_time_in_status (
    client_id        integer not null references core.clients (id),
    scope_type       text not null check (scope_type in ('client', 'project')),
    scope_id         text not null,
    status           text not null,
    status_category  text not null,
    median_hours     double precision,
    p75_hours        double precision,
    p90_hours        double precision,
    total_hours      double precision not null,
    sample_size      bigint not null,
    null_reason      text,
    primary key (client_id, scope_type, scope_id, status)
);
comment on table core.work_time_in_status is 'One row a scope and status: how long the items done in the last 90 days were in it.';

-- ------------------------------------------------------------------------------------------- what the last run saw

create table core.work_state (
    client_id         integer primary key references core.clients (id),
    inputs            text not null,
    computed_through  date not null
);
comment on table core.work_state is
    'What the last run worked with: a digest of what every item depends on (time zone, statuses, projects, services), and the client''s day.';

create table core.work_scopes (
    client_id   integer not null references core.clients (id),
    scope_type  text not null,
    scope_id    text not null,
    first_day   date not null,
    primary key (client_id, scope_type, scope_id)
);
comment on table core.work_scopes is 'From which day on a scope has items.';

select core.protect_table(target::regclass, etl => true, staff => true, reader => reader)
from (values ('core.work_items', true), ('core.work_status_times', true), ('core.work_sprint_items', true),
             ('core.work_sprints', true), ('core.work_metrics', true), ('core.work_time_in_status', true),
             ('core.work_state', false), ('core.work_scopes', true)) as t (target, reader);

do $$
begin
    if current_setting('server_version_num')::integer >= 170000 then
        execute 'grant maintain on core.work_items, core.work_status_times, core.work_sprint_items, core.work_sprints,
                 core.work_metrics, core.work_time_in_status, core.work_state, core.work_scopes to pulse_etl';
    end if;
end $$;

-- ------------------------------------------------------------------------------------------------------- the views

create view report.work_metrics with (security_invoker = true) as
select
    m.client_id, m.metric_type,
    case m.metric_type
        when 'cycle_time' then 'Cycle time' when 'lead_time' then 'Lead time' when 'throughput' then 'Throughput'
        when 'work_in_progress' then 'Work in progress' when 'reopened_share' then 'Reopened items'
        when 'bug_share' then 'Bugs' else 'Incident load'
    end as metric_label,
    m.unit, m.grain, m.scope_type, m.scope_id,
    case m.scope_type when 'client' then 'All projects' else m.scope_id end as scope_name,
    m.calculation_date, m.period_start::timestamp as period_at, m.period_end, m.is_partial, m.metric_value,
    case m.unit when 'ratio' then m.metric_value * 100 else m.metric_value end as display_value,
    case m.unit when 'ratio' then '%' when 'hours' then 'hours' else 'items' end as display_unit,
    case when m.unit = 'count' and m.metric_value is not null then to_char(m.metric_value, 'FM9999990')
        else core.display_text(m.unit, m.metric_value) end as display_text,
    m.p50, m.p75, m.p90, m.numerator, m.denominator, m.sample_size, m.null_reason, m.published_at
from core.work_metrics m;
comment on view report.work_metrics is 'Flow of work in Jira: one row a metric, period and scope.';
comment on column report.work_metrics.client_id is 'The client.';
comment on column report.work_metrics.metric_type is
    'cycle_time, lead_time, throughput, work_in_progress, reopened_share, bug_share or incident_load.';
comment on column report.work_metrics.metric_label is 'The metric''s name for people.';
comment on column report.work_metrics.unit is 'Unit of metric_value: hours, count or ratio (0 to 1).';
comment on column report.work_metrics.grain is 'week (ISO), month, or rolling_30d: the 30 days that end today.';
comment on column report.work_metrics.scope_type is 'client, or project.';
comment on column report.work_metrics.scope_id is 'The project''s key; empty for the client.';
comment on column report.work_metrics.scope_name is 'The project''s key, or "All projects".';
comment on column report.work_metrics.calculation_date is 'Last day of the period, in the client''s time zone.';
comment on column report.work_metrics.period_at is 'First day of the period, as a time for charts.';
comment on column report.work_metrics.period_end is 'The day after the period''s last.';
comment on column report.work_metrics.is_partial is 'The period has not ended, or began before the scope''s first day.';
comment on column report.work_metrics.metric_value is 'The value in its unit; NULL with a null_reason.';
comment on column report.work_metrics.display_value is 'The value as a chart shows it: a ratio as percent.';
comment on column report.work_metrics.display_unit is 'Unit of display_value.';
comment on column report.work_metrics.display_text is 'The value as a person says it; a dash for NULL.';
comment on column report.work_metrics.p50 is 'Median, for cycle_time and lead_time.';
comment on column report.work_metrics.p75 is '75th percentile, for cycle_time and lead_time.';
comment on column report.work_metrics.p90 is '90th percentile, for cycle_time and lead_time.';
comment on column report.work_metrics.numerator is 'Of a share: how many items are of the kind.';
comment on column report.work_metrics.denominator is 'Of a share: of how many items.';
comment on column report.work_metrics.sample_size is 'How many items the value comes from.';
comment on column report.work_metrics.null_reason is 'Why there is no value: no_data or below_minimum_sample.';
comment on column report.work_metrics.published_at is 'When this number was last changed.';

create view report.work_items with (security_invoker = true) as
select
    w.client_id, w.id as work_item_id, w.project_key, w.key, w.url, w.issue_type, w.is_bug, w.is_incident, w.summary,
    w.status, w.status_category, w.service_id, s.name as service_name, w.story_points, w.created_at, w.started_at,
    w.done_at, w.created_on, w.started_on, w.done_on, w.cycle_time_hours, w.lead_time_hours, w.reopened_count,
    w.reopened_count > 0 as was_reopened,
    w.started_on is not null and w.done_on is null and w.status_category <> 'done' as is_in_progress,
    core.display_text('hours', w.cycle_time_hours) as cycle_time_text,
    core.display_text('hours', w.lead_time_hours) as lead_time_text
from core.work_items w
left join core.services s on (s.client_id, s.id) = (w.client_id, w.service_id);
comment on view report.work_items is 'The items behind the flow metrics: one row a Jira issue.';
comment on column report.work_items.client_id is 'The client.';
comment on column report.work_items.work_item_id is 'The item: jira:<integration>:<issue id>.';
comment on column report.work_items.project_key is 'Key of the project that the item is in now.';
comment on column report.work_items.key is 'The issue''s key.';
comment on column report.work_items.url is 'Where the issue is shown.';
comment on column report.work_items.issue_type is 'The issue''s type, as Jira names it.';
comment on column report.work_items.is_bug is 'The type''s name has the word bug or defect.';
comment on column report.work_items.is_incident is 'The issue is an incident by the client''s rule.';
comment on column report.work_items.summary is 'The issue''s title.';
comment on column report.work_items.status is 'The status it is in now.';
comment on column report.work_items.status_category is 'Category of that status: new, indeterminate, done or undefined.';
comment on column report.work_items.service_id is 'The service that a component or label names; NULL when none does.';
comment on column report.work_items.service_name is 'That service''s name.';
comment on column report.work_items.story_points is 'Its estimate now.';
comment on column report.work_items.created_at is 'When it was created.';
comment on column report.work_items.started_at is 'When work on it began: first entry into a status in progress, else into a done one.';
comment on column report.work_items.done_at is 'When it was done: first entry into a done status after the last reopening; NULL when it is not done.';
comment on column report.work_items.created_on is 'Day of created_at in the client''s time zone.';
comment on column report.work_items.started_on is 'Day of started_at in the client''s time zone.';
comment on column report.work_items.done_on is 'Day of done_at in the client''s time zone.';
comment on column report.work_items.cycle_time_hours is 'Hours from started_at to done_at.';
comment on column report.work_items.lead_time_hours is 'Hours from created_at to done_at.';
comment on column report.work_items.reopened_count is 'How often it left a done status for one that is not.';
comment on column report.work_items.was_reopened is 'It was reopened at least once.';
comment on column report.work_items.is_in_progress is 'It has been started and is not done: what work_in_progress counts today.';
comment on column report.work_items.cycle_time_text is 'The cycle time as a person says it.';
comment on column report.work_items.lead_time_text is 'The lead time as a person says it.';

create view report.work_time_in_status with (security_invoker = true) as
select
    t.client_id, t.scope_type, t.scope_id,
    case t.scope_type when 'client' then 'All projects' else t.scope_id end as scope_name,
    t.status, t.status_category, case t.status_category when 'new' then 1 when 'indeterminate' then 2 else 3 end as status_order,
    t.median_hours, t.p75_hours, t.p90_hours, t.total_hours,
    t.total_hours / nullif(sum(t.total_hours) over (partition by t.client_id, t.scope_type, t.scope_id), 0) as time_share,
    t.sample_size, t.null_reason
from core.work_time_in_status t;
comment on view report.work_time_in_status is
    'Where time goes: hours in each status that is not a done one, of the items done in the last 90 days.';
comment on column report.work_time_in_status.client_id is 'The client.';
comment on column report.work_time_in_status.scope_type is 'client, or project.';
comment on column report.work_time_in_status.scope_id is 'The project''s key; empty for the client.';
comment on column report.work_time_in_status.scope_name is 'The project''s key, or "All projects".';
comment on column report.work_time_in_status.status is 'The status.';
comment on column report.work_time_in_status.status_category is 'Its category: new, indeterminate or undefined.';
comment on column report.work_time_in_status.status_order is 'For sorting: new, in progress, others.';
comment on column report.work_time_in_status.median_hours is 'Median hours that an item which was in the status spent in it; NULL with a null_reason.';
comment on column report.work_time_in_status.p75_hours is '75th percentile of the same.';
comment on column report.work_time_in_status.p90_hours is '90th percentile of the same.';
comment on column report.work_time_in_status.total_hours is 'Hours of all items together.';
comment on column report.work_time_in_status.time_share is 'Share of total_hours in the time of all statuses listed for the scope.';
comment on column report.work_time_in_status.sample_size is 'How many items were in the status.';
comment on column report.work_time_in_status.null_reason is 'Why there are no percentiles: below_minimum_sample.';

create view report.work_sprints with (security_invoker = true) as
select
    s.client_id, s.integration_id, s.id as sprint_id, s.name as sprint_name, s.board_id, b.name as board_name, b.project_key,
    s.state, s.started_at, s.ends_at, s.completed_at, s.planned_items, s.planned_points, s.added_items, s.added_points,
    s.removed_items, s.removed_points, s.completed_items, s.completed_points, s.completed_planned_items,
    s.completion_ratio, s.null_reason
from core.work_sprints s
left join core.jira_boards b on (b.client_id, b.integration_id, b.id) = (s.client_id, s.integration_id, s.board_id);
comment on view report.work_sprints is
    'One row a sprint: what was planned, added, removed and completed. Items that were done before they came in do not count.';
comment on column report.work_sprints.client_id is 'The client.';
comment on column report.work_sprints.integration_id is 'The Jira site.';
comment on column report.work_sprints.sprint_id is 'The sprint''s id there.';
comment on column report.work_sprints.sprint_name is 'The sprint''s name.';
comment on column report.work_sprints.board_id is 'The board that it was made on.';
comment on column report.work_sprints.board_name is 'That board''s name.';
comment on column report.work_sprints.project_key is 'The project of the board, where Jira tells it.';
comment on column report.work_sprints.state is 'future, active or closed. Counts of an active sprint are those so far.';
comment on column report.work_sprints.started_at is 'When it started.';
comment on column report.work_sprints.ends_at is 'When it is meant to end.';
comment on column report.work_sprints.completed_at is 'When it was closed.';
comment on column report.work_sprints.planned_items is 'Items in it when it started; NULL before.';
comment on column report.work_sprints.planned_points is 'Their story points at that time.';
comment on column report.work_sprints.added_items is 'Items that were added, or created in it, after the start.';
comment on column report.work_sprints.added_points is 'Their story points when they were added.';
comment on column report.work_sprints.removed_items is 'Items, planned or added, that were taken out again before the end.';
comment on column report.work_sprints.removed_points is 'Their story points when they came in.';
comment on column report.work_sprints.completed_items is 'Items, planned or added, that were in it and done at the end.';
comment on column report.work_sprints.completed_points is 'Their story points at the end.';
comment on column report.work_sprints.completed_planned_items is 'The planned ones of completed_items.';
comment on column report.work_sprints.completion_ratio is 'completed_planned_items ÷ planned_items; NULL with a null_reason.';
comment on column report.work_sprints.null_reason is 'Why there is no ratio: not_started or nothing_planned.';

create view report.work_sprint_items with (security_invoker = true) as
select
    i.client_id, i.integration_id, i.sprint_id, s.name as sprint_name, i.work_item_id, w.key, w.url, w.issue_type, w.summary,
    w.status, i.joined_at, i.left_at, i.is_planned, i.is_added, i.is_removed, i.is_completed, i.entry_points, i.end_points
from core.work_sprint_items i
join core.work_sprints s on (s.client_id, s.integration_id, s.id) = (i.client_id, i.integration_id, i.sprint_id)
join core.work_items w on (w.client_id, w.id) = (i.client_id, i.work_item_id)
where i.is_planned or i.is_added;
comment on view report.work_sprint_items is 'The items behind a sprint''s numbers: one row a sprint and item that counts in it.';
comment on column report.work_sprint_items.client_id is 'The client.';
comment on column report.work_sprint_items.integration_id is 'The Jira site.';
comment on column report.work_sprint_items.sprint_id is 'The sprint''s id there.';
comment on column report.work_sprint_items.sprint_name is 'The sprint''s name.';
comment on column report.work_sprint_items.work_item_id is 'The item.';
comment on column report.work_sprint_items.key is 'The issue''s key.';
comment on column report.work_sprint_items.url is 'Where the issue is shown.';
comment on column report.work_sprint_items.issue_type is 'The issue''s type.';
comment on column report.work_sprint_items.summary is 'The issue''s title.';
comment on column report.work_sprint_items.status is 'The status it is in now.';
comment on column report.work_sprint_items.joined_at is 'When it first came into the sprint.';
comment on column report.work_sprint_items.left_at is 'When it was last taken out; NULL when it is still in it.';
comment on column report.work_sprint_items.is_planned is 'It was in the sprint, and not done, when the sprint started.';
comment on column report.work_sprint_items.is_added is 'It came in after the start.';
comment on column report.work_sprint_items.is_removed is 'It was taken out before the end.';
comment on column report.work_sprint_items.is_completed is 'It was in the sprint and done when the sprint ended (now, while it runs).';
comment on column report.work_sprint_items.entry_points is 'Story points when the sprint started, or when it was added.';
comment on column report.work_sprint_items.end_points is 'Story points when the sprint ended; now, while it runs.';

grant select on report.work_metrics, report.work_items, report.work_time_in_status, report.work_sprints,
    report.work_sprint_items to pulse_staff, pulse_reader;
