-- Who may do what. Roles belong to the whole server, so they are made only where missing and get their passwords
-- outside of the migrations (stack/postgres_roles.py), from PULSE_ROLE_SECRET.
--
-- Two guards stand on every tenant table:
--   against our own mistakes: pulse_etl sees and writes the rows of the client named by pulse.client_id, nothing else;
--   against attackers: a client's login sees the rows of the client its own name (session_user) stands for. Neither
--   SET ROLE nor set_config changes session_user.
-- Row-level security is forced, and the owner's own policy asks for a session of the owner's: a view that forgot
-- security_invoker, or a SECURITY DEFINER function, shows nothing rather than everything.

do $$
declare
    role_name text;
begin
    foreach role_name in array array['pulse_etl', 'pulse_admin', 'pulse_auth', 'pulse_staff', 'pulse_nobody'] loop
        if not exists (select from pg_roles where rolname = role_name) then
            execute format('create role %I login', role_name);
        end if;
    end loop;
    if not exists (select from pg_roles where rolname = 'pulse_reader') then
        create role pulse_reader nologin;
    end if;
end $$;

alter role pulse_staff connection limit 20;
alter role pulse_staff set statement_timeout = '60s';
alter role pulse_auth connection limit 20;
alter role pulse_auth set statement_timeout = '10s';
alter role pulse_nobody connection limit 5;
alter role pulse_nobody set statement_timeout = '1s';

-- Whatever is made later is closed until a migration opens it (tables and schemas are so by default).
alter default privileges revoke execute on routines from public;

grant usage on schema core to pulse_etl, pulse_admin, pulse_auth, pulse_staff, pulse_reader;
grant usage on schema raw to pulse_etl;
grant usage on schema report to pulse_staff, pulse_reader, pulse_etl;

-- ---------------------------------------------------------------------------------------------------- who is asking

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

revoke execute on function core.etl_client_id(), core.reader_client_id(), core.setting(text, jsonb) from public;
grant execute on function core.etl_client_id(), core.setting(text, jsonb) to pulse_etl;
grant execute on function core.reader_client_id() to pulse_reader;

-- ------------------------------------------------------------------------------------------------- the tenant tables

create function core.protect_table(target regclass, etl boolean, staff boolean, reader boolean) returns void
    language plpgsql set search_path = pg_catalog
    as $$
begin
    execute format('alter table %s enable row level security, force row level security', target);
    execute format('create policy owner on %s to pulse_owner using (session_user = ''pulse_owner'')', target);
    if etl then
        execute format('grant select, insert, update, delete on %s to pulse_etl', target);
        execute format('create policy etl on %s to pulse_etl using (client_id = (select core.etl_client_id()))', target);
    end if;
    if staff then
        execute format('grant select on %s to pulse_staff', target);
        execute format('create policy staff on %s for select to pulse_staff using (true)', target);
    end if;
    if reader then
        execute format('grant select on %s to pulse_reader', target);
        execute format('create policy reader on %s for select to pulse_reader using (client_id = (select core.reader_client_id()))', target);
    end if;
end $$;
comment on function core.protect_table(regclass, boolean, boolean, boolean) is
    'For migrations: row-level security and grants of a new table with client_id; etl writes, staff and reader read.';
revoke execute on function core.protect_table(regclass, boolean, boolean, boolean) from public;

create function core.unprotected_tables() returns table (unprotected regclass)
    language sql stable set search_path = pg_catalog
    as $$
    select c.oid::regclass
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'm', 'f')
      and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
      and (c.oid = 'core.clients'::regclass
           or exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'client_id' and not a.attisdropped))
      and not (c.relrowsecurity and c.relforcerowsecurity)
$$;
comment on function core.unprotected_tables() is 'Tables that hold clients'' rows without forced row-level security; must be empty.';
revoke execute on function core.unprotected_tables() from public;

do $$
declare
    target regclass;
begin
    for target in select c.oid from pg_class c where c.relnamespace = 'raw'::regnamespace and c.relkind = 'r' loop
        perform core.protect_table(target, etl => true, staff => false, reader => false);
    end loop;
    for target in
        select c.oid from pg_class c
        where c.relnamespace = 'core'::regnamespace and c.relkind = 'r' and c.relname ~ '^(github|jira)_'
    loop
        perform core.protect_table(target, etl => true, staff => true, reader => true);
    end loop;
end $$;

select core.protect_table(target::regclass, etl => true, staff => true, reader => true)
from unnest(array['core.services', 'core.changes', 'core.deployments', 'core.deployment_changes', 'core.incidents',
                  'core.incident_deployments', 'core.dora_metrics', 'core.trust_indicators']) as target;

-- Runs: a reader may know when their data was fetched and how much was rejected, not the errors and internals.
select core.protect_table(target::regclass, etl => true, staff => true, reader => true)
from unnest(array['core.etl_runs', 'core.etl_checkpoints']) as target;
revoke select on core.etl_runs, core.etl_checkpoints from pulse_reader;
grant select (client_id, id, integration_id, state, rows_read, rows_written, rows_rejected, started_at, finished_at)
    on core.etl_runs to pulse_reader;
grant select (client_id, integration_id, stream, watermark_at, updated_at) on core.etl_checkpoints to pulse_reader;
select core.protect_table('core.transform_watermarks', etl => true, staff => true, reader => false);

-- What sync_clients writes: all clients' rows for pulse_admin; the ETL reads its own client's.
select core.protect_table(target::regclass, etl => false, staff => staff, reader => reader)
from (values ('core.users', false, false), ('core.user_sessions', false, false),
             ('core.system_settings', true, true), ('core.integrations', true, true)) as t (target, staff, reader);
revoke select on core.integrations from pulse_reader;
grant select (client_id, id, integration_type, name, active) on core.integrations to pulse_reader;

grant select on core.system_settings, core.integrations to pulse_etl;
create policy etl on core.system_settings for select to pulse_etl using (client_id = (select core.etl_client_id()));
create policy etl on core.integrations for select to pulse_etl using (client_id = (select core.etl_client_id()));

grant select, insert, update, delete on core.users, core.user_sessions, core.system_settings, core.integrations to pulse_admin;
create policy admin on core.users to pulse_admin using (true);
create policy admin on core.user_sessions to pulse_admin using (true);
create policy admin on core.system_settings to pulse_admin using (true);
create policy admin on core.integrations to pulse_admin using (true);

-- Superset's logins.
grant select on core.users, core.system_settings to pulse_auth;
grant select, insert, update, delete on core.user_sessions to pulse_auth;
create policy auth on core.users for select to pulse_auth using (true);
create policy auth on core.system_settings for select to pulse_auth using (setting_key ~ '^(brand|feature)\.');
create policy auth on core.user_sessions to pulse_auth using (true);

-- Clients have no client_id: the same, by id. Nobody deletes one. The owner's policy also lets the two SECURITY DEFINER
-- functions of this file read it.
alter table core.clients enable row level security, force row level security;
grant select on core.clients to pulse_etl, pulse_auth, pulse_staff, pulse_reader;
grant select, insert, update on core.clients to pulse_admin;
create policy owner on core.clients to pulse_owner
    using (session_user in ('pulse_owner', 'pulse_admin') or 'pulse_client_' || id = session_user);
create policy admin on core.clients to pulse_admin using (true);
create policy auth on core.clients for select to pulse_auth using (true);
create policy staff on core.clients for select to pulse_staff using (true);
create policy etl on core.clients for select to pulse_etl using (id = (select core.etl_client_id()));
create policy reader on core.clients for select to pulse_reader using (id = (select core.reader_client_id()));

-- --------------------------------------------------------------------------------------------- the clients' own logins

create function core.ensure_client_role(client_id integer, verifier text, active boolean) returns boolean
    language plpgsql security definer set search_path = pg_catalog
    as $$
declare
    role_name text := 'pulse_client_' || client_id;
    created   boolean := false;
    can_login boolean;
begin
    if not exists (select from core.clients c where c.id = ensure_client_role.client_id) then
        raise exception 'there is no client %', client_id using errcode = 'foreign_key_violation';
    end if;
    -- A verifier, never a password: the statement may be logged.
    if verifier is null or verifier !~ '^SCRAM-SHA-256\$\d+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+$' then
        raise exception 'not a SCRAM verifier for %', role_name using errcode = 'invalid_parameter_value';
    end if;
    perform pg_advisory_xact_lock(hashtext('pulse.roles'));
    select rolcanlogin into can_login from pg_roles where rolname = role_name;
    if not found then
        created := true;
        execute format('create role %I nologin password %L connection limit 40', role_name, verifier);
        execute format('alter role %I set statement_timeout = ''30s''', role_name);
        execute format('grant pulse_reader to %I with inherit true, set false', role_name);
        can_login := false;
    end if;
    if can_login is distinct from active then
        execute format('alter role %I with %s', role_name, case when active then 'login' else 'nologin' end);
    end if;
    return created;
end $$;
comment on function core.ensure_client_role(integer, text, boolean) is
    'The login of one client: made when missing (with this SCRAM verifier), NOLOGIN when the client is not active. Returns whether it was made.';
revoke execute on function core.ensure_client_role(integer, text, boolean) from public;
grant execute on function core.ensure_client_role(integer, text, boolean) to pulse_admin;

-- ---------------------------------------------------------------------------------------------------------- payloads

-- lz4 reads several times faster than pglz; not every build of PostgreSQL has it.
do $$
declare
    target regclass;
begin
    if not exists (select from pg_settings where name = 'default_toast_compression' and 'lz4' = any (enumvals)) then
        return;
    end if;
    for target in
        select a.attrelid from pg_attribute a join pg_class c on c.oid = a.attrelid
        where c.relnamespace = 'raw'::regnamespace and c.relkind = 'r' and a.attname = 'payload'
    loop
        execute format('alter table %s alter column payload set compression lz4', target);
    end loop;
end $$;
