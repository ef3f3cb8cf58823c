-- Embedding (docs/embedding.md): the keys with which a client's own application asks Superset for guest tokens.

create table core.embed_keys (
    client_id   integer not null references core.clients (id),
    id          bigint generated always as identity,
    key_hash    text not null,
    label       text not null default '',
    created_at  timestamptz not null default now(),
    revoked_at  timestamptz,
    primary key (client_id, id)
);
comment on table core.embed_keys is 'One row per key with which a client''s own application asks for guest tokens.';
comment on column core.embed_keys.key_hash is 'SHA-256 of the key, in hex. The key itself is stored nowhere.';
comment on column core.embed_keys.label is 'Which application uses it.';
comment on column core.embed_keys.revoked_at is 'Since when neither the key nor a token made with it counts.';
create index embed_keys_hash on core.embed_keys (key_hash) where revoked_at is null;
select core.protect_table('core.embed_keys', etl => false, staff => false, reader => false);

-- Keys are made and revoked by an admin; nobody changes one.
grant select, insert, update (revoked_at) on core.embed_keys to pulse_admin;
create policy admin on core.embed_keys to pulse_admin using (true);

-- The function below runs as the owner, in sessions of pulse_auth.
create policy embed on core.embed_keys for select to pulse_owner using (session_user = 'pulse_auth');
create policy embedding on core.system_settings for select to pulse_owner
    using (session_user = 'pulse_auth' and setting_key ~ '^embed\.');
-- A page that is framed says which origins may: it is asked for before anybody is known.
create policy embed on core.system_settings for select to pulse_auth using (setting_key ~ '^embed\.');

create function core.embed_key(key_hash text, of_client integer default null, with_id bigint default null)
    returns table (client_id integer, key_id bigint, label text, origins jsonb, dashboards jsonb)
    language sql stable security definer set search_path = pg_catalog
    as $$
    select k.client_id, k.id, k.label, o.setting_value, d.setting_value
    from core.embed_keys k
    join core.clients c on c.id = k.client_id and c.active
    join core.system_settings o on o.client_id = k.client_id and o.setting_key = 'embed.origins'
    join core.system_settings d on d.client_id = k.client_id and d.setting_key = 'embed.dashboards'
    where (k.key_hash = embed_key.key_hash or (k.client_id, k.id) = (of_client, with_id)) and k.revoked_at is null
$$;
comment on function core.embed_key(text, integer, bigint) is
    'A key, by its hash or by client and id, and what may be embedded where; no row when it is unknown or revoked, or nothing may.';
revoke execute on function core.embed_key(text, integer, bigint) from public;
grant execute on function core.embed_key(text, integer, bigint) to pulse_auth;

create function audit.embed_keys() returns trigger
    language plpgsql security definer set search_path = pg_catalog
    as $$
begin
    if tg_op = 'INSERT' then
        perform audit.add('key made', new.client_id, format('embedding key %s, %s', new.id, new.label));
    elsif new.revoked_at is not null and old.revoked_at is null then
        perform audit.add('key revoked', new.client_id, format('embedding key %s', new.id));
    end if;
    return null;
end $$;
comment on function audit.embed_keys() is 'Trigger: notes what changes.';
revoke execute on function audit.embed_keys() from public;
create trigger audit after insert or update on core.embed_keys for each row execute function audit.embed_keys();
