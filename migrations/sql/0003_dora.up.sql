-- The DORA model: facts, links, published numbers. Ids are natural keys ('gh-pr:<integration>:<id>', …), so an
-- incremental run and a full recompute give the same rows.

create table core.services (
    client_id       integer not null references core.clients (id),
    id              text not null,
    name            text not null,
    integration_id  bigint,
    repository_id   bigint,
    path_pattern    text,
    primary key (client_id, id)
);

create table core.changes (
    client_id          integer not null,
    id                 text not null,
    service_id         text not null,
    integration_id     bigint not null,
    repository_id      bigint,
    pull_request_id    bigint,
    number             integer,
    title              text not null,
    url                text,
    author             text,
    is_bot             boolean not null default false,
    is_revert          boolean not null default false,
    reverts_change_id  text,
    is_hotfix          boolean not null default false,
    first_commit_at    timestamptz,
    opened_at          timestamptz not null,
    first_review_at    timestamptz,
    approved_at        timestamptz,
    merged_at          timestamptz not null,
    merge_commit_sha   text,
    merge_position     bigint,
    additions          integer not null default 0,
    deletions          integer not null default 0,
    changed_files      integer not null default 0,
    commit_count       integer not null default 0,
    review_count       integer not null default 0,
    primary key (client_id, id),
    foreign key (client_id, service_id) references core.services (client_id, id)
);
create index changes_merged on core.changes (client_id, merged_at);

create table core.deployments (
    client_id         integer not null,
    id                text not null,
    service_id        text not null,
    integration_id    bigint not null,
    environment       text not null,
    environment_tier  text not null check (environment_tier in ('production', 'other')),
    source            text not null check (source in ('deployment', 'workflow_run', 'release', 'merge', 'http_json')),
    result            text not null check (result in ('success', 'failure')),
    sha               text,
    position          bigint,
    ref_name          text,
    url               text,
    created_at        timestamptz not null,
    finished_at       timestamptz not null,
    is_baseline       boolean not null default false,
    is_rollback       boolean not null default false,
    rolled_back_by    text,
    is_rework         boolean not null default false,
    rework_reason     text,
    primary key (client_id, id),
    foreign key (client_id, service_id) references core.services (client_id, id)
);
create index deployments_finished on core.deployments (client_id, environment_tier, finished_at);

create table core.deployment_changes (
    client_id      integer not null,
    deployment_id  text not null,
    change_id      text not null,
    primary key (client_id, change_id),
    foreign key (client_id, deployment_id) references core.deployments (client_id, id) on delete cascade,
    foreign key (client_id, change_id) references core.changes (client_id, id) on delete cascade
);
create index deployment_changes_deployment on core.deployment_changes (client_id, deployment_id);

create table core.incidents (
    client_id       integer not null,
    id              text not null,
    service_id      text,
    integration_id  bigint not null,
    source          text not null check (source in ('jira', 'github', 'http_json')),
    key             text not null,
    title           text not null,
    url             text,
    severity        text,
    created_at      timestamptz not null,
    resolved_at     timestamptz,
    primary key (client_id, id),
    foreign key (client_id, service_id) references core.services (client_id, id)
);
create index incidents_created on core.incidents (client_id, created_at);

create table core.incident_deployments (
    client_id      integer not null,
    incident_id    text not null,
    deployment_id  text not null,
    method         text not null check (method in ('explicit', 'fix_reverts', 'linked_issue', 'time_window')),
    confidence     numeric(3, 2) not null check (confidence between 0 and 1),
    primary key (client_id, incident_id),
    foreign key (client_id, incident_id) references core.incidents (client_id, id) on delete cascade,
    foreign key (client_id, deployment_id) references core.deployments (client_id, id) on delete cascade
);
create index incident_deployments_deployment on core.incident_deployments (client_id, deployment_id);

-- Published numbers. period is [period_start, period_end) in the client's calendar; calculation_date is its last
-- day. A rolling grain has one row a day.
create table core.dora_metrics (
    client_id           integer not null references core.clients (id),
    id                  bigint generated always as identity,
    metric_type         text not null,
    grain               text not null check (grain in ('day', 'week', 'month', 'rolling_7d', 'rolling_30d', 'rolling_90d')),
    scope_type          text not null check (scope_type in ('client', 'service', 'team', 'repository')),
    scope_id            text not null default '',
    calculation_date    date not null,
    period_start        date not null,
    period_end          date not null,
    is_partial          boolean not null default false,
    metric_value        double precision,
    unit                text not null check (unit in ('per_day', 'days_per_week', 'hours', 'ratio')),
    p50                 double precision,
    p75                 double precision,
    p90                 double precision,
    numerator           bigint,
    denominator         bigint,
    sample_size         bigint not null default 0,
    null_reason         text,
    tier                text check (tier in ('elite', 'high', 'medium', 'low')),
    tier_year           integer,
    definition_version  text not null,
    published_at        timestamptz not null default now(),
    primary key (client_id, id),
    unique (client_id, metric_type, grain, scope_type, scope_id, calculation_date),
    check (metric_value is not null or null_reason is not null)
);

-- The trust panel: how much of the data could be linked, and how complete and fresh it is.
create table core.trust_indicators (
    client_id    integer not null references core.clients (id),
    indicator    text not null,
    detail       text not null default '',
    value        double precision,
    numerator    bigint,
    denominator  bigint,
    null_reason  text,
    measured_at  timestamptz not null default now(),
    primary key (client_id, indicator, detail)
);
