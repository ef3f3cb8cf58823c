-- What only a superuser may do in a database of the clients' data: take from PUBLIC what a reader could misuse.
-- Run once a database, before the migrations; may be repeated. (System functions belong to the superuser, and their
-- grants are part of the database, so a database cloned from this one inherits them.)

revoke all on schema public from public;

do $$
declare
    routine regprocedure;
begin
    for routine in
        select p.oid::regprocedure
        from pg_proc p
        where p.pronamespace = 'pg_catalog'::regnamespace
          and (
              -- run a query given as text, beside whatever the caller may otherwise call
              p.proname ~ '^(query|cursor|table|schema|database)_to_xml'
              -- large objects: storage outside of every table and policy
              or p.proname ~ '^(lo_|loread$|lowrite$)'
              -- the server's files (superusers only already; kept so if a default ever changes)
              or p.proname ~ '^pg_(read_|ls_|stat_file|file_)'
              -- other sessions, waiting on purpose, messages to other sessions
              or p.proname in ('pg_cancel_backend', 'pg_terminate_backend', 'pg_sleep', 'pg_sleep_for',
                               'pg_sleep_until', 'pg_notify', 'pg_export_snapshot')
              or p.proname ~ '^pg_(try_)?advisory_(xact_)?lock'
              -- a session setting made inside a query (statement_timeout, pulse.client_id, role)
              or p.proname = 'set_config'
          )
          and has_function_privilege('public', p.oid, 'execute')
    loop
        execute format('revoke execute on routine %s from public', routine);
    end loop;
end $$;

grant execute on function
    pg_catalog.set_config(text, text, boolean), pg_catalog.pg_advisory_lock(bigint), pg_catalog.pg_advisory_xact_lock(bigint)
    to pulse_owner;

-- Who else is connected, and what they run. (Names of roles stay readable: they hold numbers, no names of clients.)
revoke select on pg_stat_activity, pg_stat_replication, pg_stat_ssl, pg_stat_gssapi, pg_locks, pg_stat_database
    from public;
revoke execute on function pg_catalog.pg_stat_get_activity(integer), pg_catalog.pg_lock_status() from public;
