-- Roles stay (another database of the server may use them); in this one they lose everything.
do $$
declare
    item record;
begin
    for item in
        select schemaname, tablename, policyname from pg_policies where schemaname in ('raw', 'core')
    loop
        execute format('drop policy %I on %I.%I', item.policyname, item.schemaname, item.tablename);
    end loop;
    for item in
        select c.oid::regclass as target from pg_class c
        where c.relnamespace in ('raw'::regnamespace, 'core'::regnamespace) and c.relrowsecurity
    loop
        execute format('alter table %s disable row level security, no force row level security', item.target);
    end loop;
end $$;

drop function core.ensure_client_role(integer, text, boolean);
drop function core.unprotected_tables();
drop function core.protect_table(regclass, boolean, boolean, boolean);
drop function core.setting(text, jsonb);
drop function core.reader_client_id();
drop function core.etl_client_id();

revoke all on all tables in schema raw, core, report from pulse_etl, pulse_admin, pulse_auth, pulse_staff, pulse_reader;
revoke all on schema raw, core, report from pulse_etl, pulse_admin, pulse_auth, pulse_staff, pulse_reader;
alter default privileges grant execute on routines to public;
