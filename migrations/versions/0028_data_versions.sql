-- The version of a client's data: what Superset has cached of an older one is not used again.

create table core.data_versions (
    client_id   integer primary key references core.clients (id),
    version     bigint not null,
    changed_at  timestamptz not null default now()
);
comment on table core.data_versions is
    'One row per client: raised by each stage that wrote a row of the client''s, and by each change of its settings, in the'
    ' same transaction. Whoever sees a version sees the data that it stands for, on the replica, too.';
select core.protect_table('core.data_versions', etl => true, staff => true, reader => true);
grant select, insert, update on core.data_versions to pulse_admin;
create policy admin on core.data_versions to pulse_admin using (true);
grant select on core.data_versions to pulse_auth;
create policy auth on core.data_versions for select to pulse_auth using (true);

create function core.raise_data_version() returns trigger
    language plpgsql set search_path = pg_catalog
    as $$
begin
    insert into core.data_versions as v (client_id, version) values (coalesce(new.client_id, old.client_id), 1)
    on conflict (client_id) do update set version = v.version + 1, changed_at = now();
    return null;
end $$;
comment on function core.raise_data_version() is 'Raises the version of the client of a row that was written.';
create trigger raise_data_version after insert or update or delete on core.system_settings
    for each row execute function core.raise_data_version();
