-- One raw table, as migrations/raw.py makes it. Payloads are for the ETL alone.
create table raw.{table} (
    client_id            integer not null,
    integration_id       bigint not null,
    record_id            text not null,
    scope_key            text not null,
    payload              jsonb not null,
    payload_hash         text not null,
    upstream_updated_at  timestamptz,
    extracted_at         timestamptz not null default now(),
    loaded_xid           xid8 not null default pg_current_xact_id(),
    deleted_at           timestamptz,
    primary key (client_id, integration_id, record_id),
    foreign key (client_id, integration_id) references core.integrations (client_id, id)
);
create index {loaded} on raw.{table} (client_id, loaded_xid);
create index {scope} on raw.{table} (client_id, integration_id, scope_key);

select core.protect_table('raw.{table}', etl => true, staff => false, reader => false);

do $$
begin
    -- lz4 reads several times faster than pglz; not every build of PostgreSQL has it.
    if exists (select from pg_settings where name = 'default_toast_compression' and 'lz4' = any (enumvals)) then
        alter table raw.{table} alter column payload set compression lz4;
    end if;
    -- For statistics right after a load; a right of its own since PostgreSQL 17.
    if current_setting('server_version_num')::integer >= 170000 then
        execute 'grant maintain on raw.{table} to pulse_etl';
    end if;
end $$;
