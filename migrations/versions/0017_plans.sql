-- Categories, epics and waiting time of work items; how long items usually take; forecasts, one row per night.

alter table core.work_items
    add column epic_key text,
    add column epic_name text,
    add column fix_versions text[] not null default '{}',
    add column category text not null default '',
    add column is_unplanned boolean not null default false,
    add column is_epic boolean not null default false,
    add column is_subtask boolean not null default false,
    add column waiting_hours double precision;
comment on column core.work_items.epic_key is 'Key of the epic that it is in; a sub-task is in the epic of its parent.';
comment on column core.work_items.category is 'The first category of the setting work.categories that it matches; empty if none does.';
comment on column core.work_items.is_epic is 'It holds other items. Forecasts and effort count these, not the epic.';
comment on column core.work_items.waiting_hours is
    'Hours between its start and its end in one of the statuses of the setting work.waiting_statuses; NULL without the setting.';
create index work_items_epic on core.work_items (client_id, epic_key) where epic_key is not null;
-- The items of an epic and the sub-tasks of an item, when it is written.
create index issues_parent on core.issues (client_id, integration_id, parent_key) where parent_key is not null;

create table core.work_percentiles (
    client_id    integer not null references core.clients (id),
    scope_type   text not null check (scope_type in ('client', 'project', 'pull_requests')),
    scope_id     text not null,
    p50_hours    double precision,
    p85_hours    double precision,
    p95_hours    double precision,
    sample_size  bigint not null,
    needed       integer not null,
    computed_on  date not null,
    primary key (client_id, scope_type, scope_id)
);
comment on table core.work_percentiles is
    'One row per scope: how long the items done in the last 90 days took, as what to expect of the next; for pull_requests, from '
    'opened to merged, of those with a review. NULL below dora.minimum_sample (needed) of them.';
select core.protect_table('core.work_percentiles', etl => true, staff => true, reader => true);

create table core.work_ageing (
    client_id  integer not null,
    id         text not null,
    age_hours  double precision not null,
    primary key (client_id, id)
);
comment on table core.work_ageing is
    'One row per work item in progress: hours from its start to the beginning of today, in the client''s time zone.';
select core.protect_table('core.work_ageing', etl => true, staff => true, reader => true);

create table core.forecasts (
    client_id        integer not null references core.clients (id),
    made_on          date not null,
    scope_type       text not null check (scope_type in ('epic', 'version', 'sprint', 'project')),
    scope_id         text not null,
    scope_name       text not null,
    project_key      text,
    url              text,
    is_made_later    boolean not null,
    done_items       integer not null,
    remaining_items  integer,
    past_weeks       integer not null,
    past_items       integer not null,
    due_on           date not null,
    p50_on           date,
    p85_on           date,
    p95_on           date,
    p50_items        integer,
    p85_items        integer,
    p95_items        integer,
    null_reason      text check (null_reason in ('few_items', 'few_weeks')),
    reached_on       date,
    came_true        boolean,
    primary key (client_id, made_on, scope_type, scope_id)
);
comment on table core.forecasts is
    'One row per night and plan (epic, version, sprint) or project: when its remaining items will be done (not of a sprint or project), '
    'and how many by due_on. '
    'Rows of earlier nights stay as they were made; only reached_on and came_true are filled in later.';
comment on column core.forecasts.is_made_later is
    'Computed afterwards from what the changelog says of that day, so that there is a record from the first run on.';
comment on column core.forecasts.reached_on is 'The day on which as many items had been done as remained; of a sprint or project, as p85_items.';
comment on column core.forecasts.came_true is 'Whether reached_on was not after p85_on (of a sprint or project: due_on); NULL until that day has passed.';
create index forecasts_undecided on core.forecasts (client_id, p85_on) where came_true is null;
select core.protect_table('core.forecasts', etl => true, staff => true, reader => true);

create table core.open_pull_requests (
    client_id        integer not null,
    integration_id   bigint not null,
    pull_request_id  bigint not null,
    repository       text not null,
    number           integer,
    title            text not null,
    url              text,
    opened_on        date not null,
    age_hours        double precision not null,
    size_lines       bigint not null,
    stage            text not null check (stage in ('draft', 'waiting', 'in_review', 'approved')),
    primary key (client_id, integration_id, pull_request_id)
);
comment on table core.open_pull_requests is
    'One row per open pull request that is not automation''s: hours from its opening to the beginning of today, and how far it is.';
select core.protect_table('core.open_pull_requests', etl => true, staff => true, reader => true);

create table core.review_load (
    client_id       integer not null references core.clients (id),
    days            integer not null,
    reviews         integer not null,
    reviewers       integer not null,
    half_reviewers  integer,
    primary key (client_id, days)
);
comment on table core.review_load is
    'One row per client: reviews by people in so many days that end today, how many people gave them, and how few gave half of '
    'them. NULL below five people.';
select core.protect_table('core.review_load', etl => true, staff => true, reader => true);

create table core.workflow_weeks (
    client_id       integer not null references core.clients (id),
    week_start      date not null,
    workflow_name   text not null,
    runs            integer not null,
    failures        integer not null,
    total_minutes   double precision not null,
    median_minutes  double precision,
    p85_minutes     double precision,
    primary key (client_id, week_start, workflow_name)
);
comment on table core.workflow_weeks is
    'One row per ISO week and workflow: attempts that ended in it with success or failure, and how long they took.';
select core.protect_table('core.workflow_weeks', etl => true, staff => true, reader => true);
