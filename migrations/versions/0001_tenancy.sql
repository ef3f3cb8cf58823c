-- The clients, what each of them declared, and who is asking. Written by the DAG sync_clients (pulse_admin).
-- The key of every table but clients starts with client_id, so no row can point at another client's row.

-- Whatever is made from here on is closed until it is opened (tables and schemas are closed by default).
alter default privileges revoke execute on routines from public;

create schema raw;
create schema core;
create schema report;

-- ------------------------------------------------------------------------------------------------------- the clients

-- One row per client company. Nobody deletes one.
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

-- One row per person who may look at a client's dashboards.
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

-- The one key that does not start with client_id: a login gives only an e-mail address, so it must name one user.
create unique index users_email on core.users (email);

-- One row per login of a user that has not been signed out.
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

-- One row per setting that a client has changed from its default.
create table core.system_settings (
    client_id      integer not null references core.clients (id),
    setting_key    text not null,
    setting_value  jsonb not null,
    updated_at     timestamptz not null default now(),
    primary key (client_id, setting_key)
);

-- One row per source that a client's data comes from.
create table core.integrations (
    client_id         integer not null references core.clients (id),
    id                bigint generated always as identity,
    integration_type  text not null,
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

-- ----------------------------------------------------------------------------------------------------- who is asking

create function core.etl_client_id() returns integer
    language plpgsql stable parallel safe set search_path = pg_catalog
    as $$
declare
    given text := current_setting('pulse.client_id', true);
begin
    if given is null or given = '' then
        raise insufficient_privilege using
            message = 'pulse.client_id is not set: no client is chosen for this transaction',
            hint = 'Use pulse.warehouse.connect.client_transaction(connection, client_id).';
    end if;
    return given::integer;
end $$;
comment on function core.etl_client_id() is 'The client this transaction works for (setting pulse.client_id); an error when none is chosen.';

create function core.reader_client_id() returns integer
    language sql stable parallel safe security definer set search_path = pg_catalog
    as $$
    select id from core.clients where active and 'pulse_client_' || id = session_user
$$;
comment on function core.reader_client_id() is 'The active client whose login opened this session; NULL for every other login.';

create function core.setting(key text, fallback jsonb) returns jsonb
    language sql stable parallel safe
    as $$
    select coalesce(
        (select setting_value from core.system_settings
         where client_id = (select core.etl_client_id()) and setting_key = key),
        fallback)
$$;
comment on function core.setting(text, jsonb) is 'A setting of the client this transaction works for, or the fallback.';
