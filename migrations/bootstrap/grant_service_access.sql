-- Who may connect to a database of the clients' data, and the functions taken from PUBLIC in harden_database.sql that
-- Pulse's own services need. Run by a superuser after the migrations, which create the roles; may be repeated. (Rights on
-- a database are not cloned with it, so a clone needs this again.)

do $$
begin
    execute format(
        'grant connect on database %I to pulse_etl, pulse_admin, pulse_auth, pulse_staff, pulse_nobody, pulse_reader',
        current_database());
    execute format('grant temporary on database %I to pulse_etl', current_database());
end $$;

grant execute on function pg_catalog.set_config(text, text, boolean) to pulse_owner, pulse_etl, pulse_admin, pulse_auth;
grant execute on function
    pg_catalog.pg_advisory_lock(bigint), pg_catalog.pg_advisory_lock(integer, integer),
    pg_catalog.pg_advisory_xact_lock(bigint), pg_catalog.pg_advisory_xact_lock(integer, integer),
    pg_catalog.pg_try_advisory_lock(bigint), pg_catalog.pg_try_advisory_lock(integer, integer),
    pg_catalog.pg_try_advisory_xact_lock(bigint), pg_catalog.pg_try_advisory_xact_lock(integer, integer),
    pg_catalog.pg_notify(text, text)
    to pulse_owner, pulse_etl, pulse_admin;
grant execute on function pg_catalog.pg_sleep(double precision) to pulse_owner, pulse_etl;
