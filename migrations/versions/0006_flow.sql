-- Flow of work in Jira: work items with their durations, time in status, sprints, and the numbers made from them. The stage
-- that computes them is their only writer, so what it writes by the thousand has no foreign key to the client.

-- --------------------------------------------------------------------------------------------------------- the facts

create table core.work_items (
    client_id         integer not null,
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
comment on table core.work_items is 'One row per Jira issue that is not deleted: when work on it began and ended.';
comment on column core.work_items.started_at is
    'First entry into a status of category indeterminate (its creation, if it was created in one); otherwise first entry '
    'into a done status.';
comment on column core.work_items.done_at is
    'For an issue that is done now: first entry into a done status after the last reopening; otherwise its resolution date.';
create index work_items_created on core.work_items (client_id, created_on);
create index work_items_done on core.work_items (client_id, done_on);
create index work_items_open on core.work_items (client_id, started_on) where done_on is null;
create index work_items_incidents on core.work_items (client_id, id) where is_incident;

create table core.work_status_times (
    client_id        integer not null,
    work_item_id     text not null,
    status           text not null,
    status_category  text not null,
    hours            double precision,
    visits           integer not null,
    entered_at       timestamptz,
    primary key (client_id, work_item_id, status)
);
comment on table core.work_status_times is
    'One row per issue and status. The hours of a done issue add up to its lead time: time after done_at does not count.';
comment on column core.work_status_times.hours is 'Hours of the visits that have ended; NULL when no visit has.';
comment on column core.work_status_times.entered_at is
    'Since when the issue has been in this status; NULL for statuses that it has left.';

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
comment on table core.work_sprint_items is
    'One row per sprint and issue that is or was in it. All flags are false for an issue that was already done when it came '
    'in, left before the start or came after the end, and for all while the sprint has not started.';
comment on column core.work_sprint_items.entry_points is 'Story points when the sprint started, or when the issue was added.';
comment on column core.work_sprint_items.end_points is 'Story points when the sprint ended; now, while it runs.';
create index work_sprint_items_issue on core.work_sprint_items (client_id, integration_id, issue_id);

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
comment on table core.work_sprints is
    'One row per sprint: what was planned, added, removed and completed. The counts are NULL until it starts.';

-- ------------------------------------------------------------------------------------------------- what is published

create table core.work_metrics (
    client_id         integer not null,
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
    'One row per metric, period and scope. A period is [period_start, period_end) in the client''s calendar; calculation_date '
    'is its last day.';

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
comment on table core.work_time_in_status is
    'One row per scope and status: how long the items done in the last 90 days were in it.';

-- -------------------------------------------------------------------------------------------------- what was computed

create table core.work_state (
    client_id         integer primary key references core.clients (id),
    inputs            text not null,
    computed_through  date not null
);
comment on table core.work_state is
    'One row per client: a digest of what every item depends on (time zone, statuses, projects, services), and the day that '
    'the last run worked with.';

create table core.work_scopes (
    client_id   integer not null references core.clients (id),
    scope_type  text not null,
    scope_id    text not null,
    first_day   date not null,
    primary key (client_id, scope_type, scope_id)
);
comment on table core.work_scopes is 'One row per scope: from which day on it has items.';
