-- Sessions end with what they were opened by, whoever changes it and in the same transaction.

-- A session that began before this moment has ended, also one that has no row yet (a login while the primary was away).
alter table core.users add column sessions_from timestamptz not null default to_timestamp(0);

create or replace function core.end_sessions() returns trigger
    language plpgsql set search_path = pg_catalog
    as $$
begin
    new.sessions_from := clock_timestamp();
    update core.user_sessions s set active = false
    where s.client_id = old.client_id and s.user_id = old.id and s.active;
    return new;
end $$;
comment on function core.end_sessions() is
    'Trigger: ends the sessions of a person whose password, role, address or activity has changed.';
revoke execute on function core.end_sessions() from public;
grant execute on function core.end_sessions() to pulse_admin;

create trigger end_sessions before update on core.users for each row
    when ((old.email, old.password_hash, old.role, old.active) is distinct from
          (new.email, new.password_hash, new.role, new.active))
    execute function core.end_sessions();

create or replace function core.end_client_sessions() returns trigger
    language plpgsql set search_path = pg_catalog
    as $$
begin
    update core.users set sessions_from = clock_timestamp() where client_id = new.id;
    update core.user_sessions set active = false where client_id = new.id and active;
    return null;
end $$;
comment on function core.end_client_sessions() is 'Trigger: ends the sessions of a client that is no longer active.';
revoke execute on function core.end_client_sessions() from public;
grant execute on function core.end_client_sessions() to pulse_admin;

create trigger end_client_sessions after update on core.clients for each row
    when (old.active and not new.active)
    execute function core.end_client_sessions();

-- One client's queries leave room for the others'.
do $$
declare
    role_name text;
begin
    perform pg_advisory_xact_lock(hashtext('pulse.roles'));
    for role_name in select rolname from pg_roles where rolname ~ '^pulse_client_[0-9]+$' and rolconnlimit <> 10 loop
        execute format('alter role %I connection limit 10', role_name);
    end loop;
end $$;

create or replace function core.ensure_client_role(client_id integer, verifier text, active boolean) returns boolean
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
        execute format('create role %I nologin password %L connection limit 10', role_name, verifier);
        execute format('alter role %I set statement_timeout = ''30s''', role_name);
        execute format('grant pulse_reader to %I with inherit true, set false', role_name);
        can_login := false;
    end if;
    if can_login is distinct from active then
        execute format('alter role %I with %s', role_name, case when active then 'login' else 'nologin' end);
    end if;
    return created;
end $$;
