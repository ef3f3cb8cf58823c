-- The functions taken from PUBLIC in harden_database.sql that Pulse's own services need. Run after the migrations, which
-- create the roles.

grant execute on function pg_catalog.set_config(text, text, boolean) to pulse_owner, pulse_etl, pulse_admin, pulse_auth;
grant execute on function
    pg_catalog.pg_advisory_lock(bigint), pg_catalog.pg_advisory_lock(integer, integer),
    pg_catalog.pg_advisory_xact_lock(bigint), pg_catalog.pg_advisory_xact_lock(integer, integer),
    pg_catalog.pg_try_advisory_lock(bigint), pg_catalog.pg_try_advisory_lock(integer, integer),
    pg_catalog.pg_try_advisory_xact_lock(bigint), pg_catalog.pg_try_advisory_xact_lock(integer, integer),
    pg_catalog.pg_notify(text, text)
    to pulse_owner, pulse_etl, pulse_admin;
grant execute on function pg_catalog.pg_sleep(double precision) to pulse_owner, pulse_etl;
