-- Who may connect to a database of the clients' data, and the functions taken from PUBLIC in harden_database.sql that
-- Pulse's own services need. Run by a superuser after the migrations, which create the roles; may be repeated. (Rights on
-- a database are not cloned with it, so a clone needs this again.)

do $$
begin
    execute format(
        'grant connect on database %I to pulse_etl, pulse_admin, pulse_ingest, pulse_auth, pulse_staff, pulse_nobody,'
        ' pulse_reader', current_database());
    execute format('grant temporary on database %I to pulse_etl, pulse_ingest', current_database());
end $$;

grant execute on function pg_catalog.set_config(text, text, boolean) to pulse_owner, pulse_etl, pulse_admin, pulse_auth, pulse_ingest;
grant execute on function
    pg_catalog.pg_advisory_lock(bigint), pg_catalog.pg_advisory_lock(integer, integer),
    pg_catalog.pg_advisory_xact_lock(bigint), pg_catalog.pg_advisory_xact_lock(integer, integer),
    pg_catalog.pg_try_advisory_lock(bigint), pg_catalog.pg_try_advisory_lock(integer, integer),
    pg_catalog.pg_try_advisory_xact_lock(bigint), pg_catalog.pg_try_advisory_xact_lock(integer, integer),
    pg_catalog.pg_notify(text, text)
    to pulse_owner, pulse_etl, pulse_admin;
grant execute on function pg_catalog.pg_sleep(double precision) to pulse_owner, pulse_etl;

-- The time-out of a login is a setting that its own sessions may lift. This is a limit that they may not: Superset asks for it
-- every few seconds on the replica. It belongs to the superuser, ends sessions of clients' logins only, and shows nothing.
create or replace function core.end_long_queries(seconds integer) returns integer
    language sql volatile security definer set search_path = pg_catalog
    as $$
    select count(pg_terminate_backend(pid))::integer
    from pg_stat_activity
    where usename ~ '^pulse_(client_[0-9]+|nobody)$'
      and ((state = 'active' and query_start < clock_timestamp() - make_interval(secs => greatest(seconds, 1)))
           or (state like 'idle in transaction%'
               and state_change < clock_timestamp() - make_interval(secs => greatest(seconds, 1))))
$$;
comment on function core.end_long_queries(integer) is
    'Ends sessions of clients'' logins whose query, or open transaction, is older than this. Returns how many there were.';
revoke execute on function core.end_long_queries(integer) from public;
grant execute on function core.end_long_queries(integer) to pulse_auth;
