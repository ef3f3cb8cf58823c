-- What PgBouncer needs to let a client's login in at the replica: the verifier of its password. Run by a superuser on the
-- primary, in the database `postgres`, where CloudNativePG's Pooler asks, and in containers in that of the clients' data, where
-- an older PgBouncer asks. May be repeated.
--
-- A verifier is no password: nobody logs in with it. Only logins that read are told.

do $$
begin
    execute format('grant connect on database %I to pulse_pooler', current_database());
end $$;

create schema if not exists pulse_pooler;
revoke all on schema pulse_pooler from public;
grant usage on schema pulse_pooler to pulse_pooler;

create or replace function pulse_pooler.login(login text) returns table (name text, verifier text)
    language sql stable security definer set search_path = pg_catalog
    as $$
    select rolname::text, rolpassword
    from pg_authid
    where rolname = login and rolcanlogin and rolname ~ '^pulse_(client_[0-9]+|staff|nobody|auth)$'
$$;
comment on function pulse_pooler.login(text) is 'The verifier of a login that reads; no row for any other.';
revoke execute on function pulse_pooler.login(text) from public;
grant execute on function pulse_pooler.login(text) to pulse_pooler;
