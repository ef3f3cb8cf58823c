-- Who the clients are and what each of them declared: written by the DAG sync_clients (pulse_admin).
-- Every table but clients is keyed by client_id first, so no row can point at another client's row.

create schema raw;
create schema core;
create schema report;

create table core.clients (
    id          integer generated always as identity primary key,
    slug        text not null unique check (slug ~ '^[a-z][a-z0-9_]{1,39}$'),
    name        text not null check (name <> ''),
    time_zone   text not null default 'UTC',
    active      boolean not null default true,
    spec_hash   text not null default '',
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now()
);

create table core.users (
    client_id      integer not null references core.clients (id),
    id             bigint generated always as identity,
    email          text not null check (email = lower(email)),
    full_name      text not null default '',
    password_hash  text not null,
    role           text not null check (role in ('executive', 'manager', 'client_admin')),
    theme_mode     text not null default 'system' check (theme_mode in ('light', 'dark', 'system')),
    active         boolean not null default true,
    created_at     timestamptz not null default now(),
    updated_at     timestamptz not null default now(),
    primary key (client_id, id)
);
-- The one key not led by client_id: a login names only an e-mail address, so it must name one user.
create unique index users_email on core.users (email);

create table core.user_sessions (
    client_id     integer not null,
    id            bigint generated always as identity,
    user_id       bigint not null,
    token_hash    text not null,
    kind          text not null default 'browser' check (kind in ('browser', 'api')),
    active        boolean not null default true,
    created_at    timestamptz not null default now(),
    expires_at    timestamptz not null,
    primary key (client_id, id),
    unique (client_id, token_hash),
    foreign key (client_id, user_id) references core.users (client_id, id) on delete cascade
);

create table core.system_settings (
    client_id      integer not null references core.clients (id),
    setting_key    text not null,
    setting_value  jsonb not null,
    updated_at     timestamptz not null default now(),
    primary key (client_id, setting_key)
);

create table core.integrations (
    client_id         integer not null references core.clients (id),
    id                bigint generated always as identity,
    integration_type  text not null check (integration_type in ('github', 'jira', 'http_json')),
    name              text not null,
    base_url          text not null,
    connection_id     text not null,
    config_data       jsonb not null default '{}',
    schedule_minutes  integer not null default 60 check (schedule_minutes between 1 and 10080),
    active            boolean not null default true,
    created_at        timestamptz not null default now(),
    updated_at        timestamptz not null default now(),
    primary key (client_id, id),
    unique (client_id, integration_type, name)
);

create table core.etl_runs (
    client_id       integer not null references core.clients (id),
    id              bigint generated always as identity,
    dag_run_id      text not null,
    task_id         text not null,
    integration_id  bigint,
    scope_key       text not null default '',
    state           text not null default 'running' check (state in ('running', 'success', 'failed', 'deferred')),
    api_calls       integer not null default 0,
    api_points      integer not null default 0,
    rows_read       bigint not null default 0,
    rows_written    bigint not null default 0,
    rows_rejected   bigint not null default 0,
    error           text,
    started_at      timestamptz not null default now(),
    finished_at     timestamptz,
    primary key (client_id, id),
    foreign key (client_id, integration_id) references core.integrations (client_id, id)
);
create index etl_runs_recent on core.etl_runs (client_id, started_at desc);

-- Where an extraction stands: saved in the transaction that stores the rows it speaks of.
create table core.etl_checkpoints (
    client_id       integer not null,
    integration_id  bigint not null,
    stream          text not null,
    scope_key       text not null,
    watermark_at    timestamptz,
    cursor_data     jsonb not null default '{}',
    updated_at      timestamptz not null default now(),
    primary key (client_id, integration_id, stream, scope_key),
    foreign key (client_id, integration_id) references core.integrations (client_id, id)
);

-- How far each transform has read the raw tables: rows with loaded_xid at or above it are new.
create table core.transform_watermarks (
    client_id   integer not null references core.clients (id),
    transform   text not null,
    loaded_xid  xid8 not null,
    updated_at  timestamptz not null default now(),
    primary key (client_id, transform)
);
