-- Who may do what. Roles belong to the whole server, so they are made only where missing, and get their passwords outside
-- of the migrations, from PULSE_ROLE_SECRET.
--
-- Two guards protect every tenant table:
--   against our own mistakes: pulse_etl sees and writes the rows of the client named by pulse.client_id, nothing else;
--   against attackers: a client's login sees the rows of the client that its own name (session_user) stands for. Neither
--   SET ROLE nor set_config changes session_user.
-- Row-level security is forced, and the owner's own policy asks for a session of the owner's: a view that forgot
-- security_invoker, or a SECURITY DEFINER function, shows nothing rather than everything.
-- (The views that readers see get their grants where they are made: migrations/views.py.)

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

grant usage on schema core to pulse_etl, pulse_admin, pulse_auth, pulse_staff, pulse_reader;
grant usage on schema raw to pulse_etl;
grant usage on schema report to pulse_staff, pulse_reader, pulse_etl;

-- --------------------------------------------------------------------------------------------------------- functions

revoke execute on all functions in schema core from public;
grant execute on function
    core.etl_client_id(), core.setting(text, jsonb), core.worked_hours(timestamptz),
    core.elapsed_hours(timestamptz, timestamptz, boolean), core.search_pattern(text), core.search_pattern(jsonb),
    core.enqueue_dora()
    to pulse_etl;
grant execute on function core.reader_client_id() to pulse_reader;
grant execute on function core.hours_between(timestamptz, timestamptz), core.display_text(text, double precision)
    to pulse_etl, pulse_staff, pulse_reader;

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
    'For migrations: row-level security and grants of a new table with client_id. etl may write, staff and reader may read.';
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
comment on function core.unprotected_tables() is
    'Tables that hold clients'' rows without forced row-level security; must be empty.';
revoke execute on function core.unprotected_tables() from public;

-- What the sources said: payloads are for the ETL alone; of the typed records (github_*, jira_*) everybody reads their own.
do $$
declare
    target regclass;
begin
    for target in select c.oid from pg_class c where c.relnamespace = 'raw'::regnamespace and c.relkind = 'r' loop
        perform core.protect_table(target, etl => true, staff => false, reader => false);
    end loop;
    for target in
        select c.oid from pg_class c
        where c.relnamespace = 'core'::regnamespace and c.relkind = 'r' and c.relname ~ '^(github|jira|custom)_'
    loop
        perform core.protect_table(target, etl => true, staff => true, reader => true);
    end loop;
end $$;

-- Facts and numbers, in the order of the migrations. A reader has no use for what a stage notes for its next run.
select core.protect_table(target::regclass, etl => true, staff => true, reader => reader)
from (values
    ('core.etl_census', true),
    ('core.services', true), ('core.changes', true), ('core.change_references', true), ('core.deployments', true),
    ('core.deployment_changes', true), ('core.incidents', true), ('core.incident_references', true),
    ('core.incident_deployments', true), ('core.rework_evidence', true), ('core.client_calendar', true),
    ('core.dora_queue', false), ('core.dora_state', true), ('core.dora_definitions', true), ('core.dora_scopes', true),
    ('core.dora_metrics', true), ('core.dora_metric_history', true), ('core.dora_publications', true),
    ('core.dora_restatements', true), ('core.quality_results', true),
    ('core.work_items', true), ('core.work_status_times', true), ('core.work_sprint_items', true),
    ('core.work_sprints', true), ('core.work_metrics', true), ('core.work_time_in_status', true),
    ('core.work_state', false), ('core.work_scopes', true)
) as t (target, reader);
-- A cascading delete fires the queue's triggers as the tables' owner.
create policy cascade on core.dora_queue for insert to pulse_owner with check (client_id = (select core.etl_client_id()));

-- The same for every client.
grant select on core.metric_catalogue, core.benchmarks to pulse_etl, pulse_staff, pulse_reader;

-- Runs: a reader may know when their data was fetched and how much was rejected, not the errors and internals.
select core.protect_table(target::regclass, etl => true, staff => true, reader => true)
from unnest(array['core.etl_runs', 'core.etl_checkpoints']) as target;
revoke select on core.etl_runs, core.etl_checkpoints from pulse_reader;
grant select (client_id, id, integration_id, state, rows_read, rows_written, rows_rejected, started_at, finished_at)
    on core.etl_runs to pulse_reader;
grant select (client_id, integration_id, stream, watermark_at, updated_at) on core.etl_checkpoints to pulse_reader;
select core.protect_table('core.transform_watermarks', etl => true, staff => true, reader => false);
grant select (client_id, state, started_at) on core.etl_runs to pulse_admin;
create policy admin on core.etl_runs for select to pulse_admin using (true);

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
-- functions core.reader_client_id and core.ensure_client_role read it.
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
    'Makes the login of a client when it is missing (with this SCRAM verifier); NOLOGIN when the client is not active. '
    'Returns whether it was made.';
revoke execute on function core.ensure_client_role(integer, text, boolean) from public;
grant execute on function core.ensure_client_role(integer, text, boolean) to pulse_admin;

-- -------------------------------------------------------------------------------------------------------- statistics

-- Renewed right after a load, where the planner would otherwise guess until autovacuum comes by (a right of its own since
-- PostgreSQL 17; older servers leave it to autovacuum).
do $$
begin
    if current_setting('server_version_num')::integer >= 170000 then
        execute 'grant maintain on all tables in schema raw, core to pulse_etl';
    end if;
end $$;
