-- What the sources said, as they said it (schema raw), and what an extraction knows of itself.

-- The tables of the records themselves come from the declarations of the source types: migrations/raw.py.

-- One row per record that could not be read: nothing is dropped silently.
create table raw.rejects (
    client_id       integer not null,
    id              bigint generated always as identity,
    integration_id  bigint not null,
    entity          text not null,
    record_id       text,
    scope_key       text not null default '',
    payload         text not null,
    reason          text not null,
    rejected_at     timestamptz not null default now(),
    replayed_at     timestamptz,
    primary key (client_id, id),
    foreign key (client_id, integration_id) references core.integrations (client_id, id)
);
create index rejects_open on raw.rejects (client_id, integration_id) where replayed_at is null;

-- -------------------------------------------------------------------------------------------------------- extraction

-- One row per task of a run.
create table core.etl_runs (
    client_id         integer not null references core.clients (id),
    id                bigint generated always as identity,
    dag_run_id        text not null,
    task_id           text not null,
    integration_id    bigint,
    scope_key         text not null default '',
    state             text not null default 'running' check (state in ('running', 'success', 'failed', 'deferred')),
    api_calls         integer not null default 0,
    api_points        integer not null default 0,
    rows_read         bigint not null default 0,
    rows_written      bigint not null default 0,
    rows_rejected     bigint not null default 0,
    error             text,
    started_at        timestamptz not null default now(),
    finished_at       timestamptz,
    budget_remaining  integer,
    resume_at         timestamptz,
    unfinished        integer not null default 0,
    warnings          text[] not null default '{}',
    primary key (client_id, id),
    foreign key (client_id, integration_id) references core.integrations (client_id, id)
);
create index etl_runs_recent on core.etl_runs (client_id, started_at desc);
comment on column core.etl_runs.budget_remaining is 'What was left of the credential''s budget at the end, as upstream said.';
comment on column core.etl_runs.resume_at is 'When a deferred run continues.';
comment on column core.etl_runs.unfinished is 'How many streams stopped at the limit of the run; the next run continues them.';
comment on column core.etl_runs.warnings is 'What an admin should know although the run succeeded, such as a token that expires soon.';

-- One row per stream of a scope: how far it has been read. Saved in the transaction that stores the rows it speaks of.
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

create table core.etl_census (
    client_id        integer not null,
    integration_id   bigint not null,
    entity           text not null,
    scope_key        text not null,
    upstream_count   integer not null,
    stored_count     integer not null,
    missing_count    integer not null,
    removed_count    integer not null,
    counted_at       timestamptz not null default now(),
    primary key (client_id, integration_id, entity, scope_key),
    foreign key (client_id, integration_id) references core.integrations (client_id, id)
);
comment on table core.etl_census is
    'One row per entity of a scope, from the last complete count: ids that upstream lists, rows that were stored, ids that '
    'were missing here (fetched since), rows that upstream no longer lists (marked as deleted).';

-- One row per transform: how far it has read the raw tables. Rows with loaded_xid at or above it are new.
create table core.transform_watermarks (
    client_id   integer not null references core.clients (id),
    transform   text not null,
    loaded_xid  xid8 not null,
    updated_at  timestamptz not null default now(),
    primary key (client_id, transform)
);
