-- What tools send by themselves (plugins/pulse/ingest): the keys they do it with, what they said has moved, and which clients
-- wish for a run.

do $$
begin
    perform pg_advisory_xact_lock(hashtext('pulse.roles'));
    if not exists (select from pg_roles where rolname = 'pulse_ingest') then
        create role pulse_ingest login;
    end if;
end $$;
alter role pulse_ingest connection limit 40;
alter role pulse_ingest set statement_timeout = '10s';
alter role pulse_ingest set lock_timeout = '5s';
alter role pulse_ingest set idle_in_transaction_session_timeout = '10s';
-- What is acknowledged is on disk, whatever somebody sets for the server.
alter role pulse_ingest set synchronous_commit = 'local';

-- One row per key of an integration: a token, or the secret of a webhook.
create table core.ingest_keys (
    client_id       integer not null,
    id              bigint generated always as identity,
    integration_id  bigint not null,
    kind            text not null check (kind in ('token', 'webhook')),
    key_hash        text not null,
    nonce           text,
    label           text not null default '',
    created_at      timestamptz not null default now(),
    revoked_at      timestamptz,
    primary key (client_id, id),
    foreign key (client_id, integration_id) references core.integrations (client_id, id)
);
comment on column core.ingest_keys.key_hash is 'SHA-256 of the token or secret, in hex. The key itself is stored nowhere.';
comment on column core.ingest_keys.nonce is
    'What a webhook''s secret is derived from, together with PULSE_WEBHOOK_SECRET: a signature can only be checked with the '
    'secret itself.';
create index ingest_keys_hash on core.ingest_keys (key_hash) where revoked_at is null;

-- One row per stream of a scope that a webhook said has moved: the next visit reads it, whatever its fingerprint says.
create table core.ingest_moves (
    client_id       integer not null,
    integration_id  bigint not null,
    scope_key       text not null,
    stream          text not null,
    moved_at        timestamptz not null default now(),
    primary key (client_id, integration_id, scope_key, stream),
    foreign key (client_id, integration_id) references core.integrations (client_id, id)
);

-- One row per webhook that was taken, by its id and by its content, for 30 days: neither is taken twice.
create table core.ingest_deliveries (
    client_id       integer not null,
    integration_id  bigint not null,
    delivery        text not null,
    received_at     timestamptz not null default now(),
    primary key (client_id, integration_id, delivery),
    foreign key (client_id, integration_id) references core.integrations (client_id, id)
);
create index ingest_deliveries_received on core.ingest_deliveries (client_id, integration_id, received_at);

-- One row per client that ever wished for a run. wished counts the wishes; satisfied is the count that the last run met.
create table core.ingest_runs (
    client_id   integer primary key references core.clients (id),
    wished      bigint not null default 1,
    satisfied   bigint not null default 0,
    claimed_at  timestamptz
);

-- --------------------------------------------------------------------------------------------------- who is sending

-- The key is the proof: whoever has only the login of pulse_ingest reads and writes no client's rows.
create function core.ingest_source()
    returns table (client_id integer, integration_id bigint, slug text, integration_type text, name text, config_data jsonb)
    language sql stable security definer set search_path = pg_catalog
    as $$
    select i.client_id, i.id, c.slug, i.integration_type, i.name, i.config_data
    from core.ingest_keys k
    join core.integrations i on (i.client_id, i.id) = (k.client_id, k.integration_id) and i.active
    join core.clients c on c.id = k.client_id and c.active
    where k.key_hash = current_setting('pulse.ingest_key', true) and k.revoked_at is null
$$;
comment on function core.ingest_source() is
    'The integration whose key hash this transaction has in pulse.ingest_key; no row when it is unknown or revoked.';

create function core.webhook_nonces(slug text, integration_type text, name text) returns setof text
    language sql stable security definer set search_path = pg_catalog
    as $$
    select k.nonce
    from core.clients c
    join core.integrations i on i.client_id = c.id and i.active
    join core.ingest_keys k on (k.client_id, k.integration_id) = (i.client_id, i.id)
    where c.slug = webhook_nonces.slug and c.active and i.integration_type = webhook_nonces.integration_type
      and i.name = webhook_nonces.name and k.kind = 'webhook' and k.revoked_at is null
    order by k.id desc
    limit 5
$$;
comment on function core.webhook_nonces(text, text, text) is
    'What the secrets of an integration''s webhook are derived from, the newest first. Useless without PULSE_WEBHOOK_SECRET.';

create function core.claim_runs() returns table (slug text, wished bigint)
    language sql volatile security definer set search_path = pg_catalog
    as $$
    update core.ingest_runs r set claimed_at = clock_timestamp()
    from core.clients c
    where c.id = r.client_id and c.active and r.wished > r.satisfied
      and (r.claimed_at is null or r.claimed_at < clock_timestamp() - interval '60 seconds')
    returning c.slug, r.wished
$$;
comment on function core.claim_runs() is
    'The clients that wish for a run and had none in the last minute. Each is given to one caller a minute.';

create function core.run_started(slug text, wished bigint) returns void
    language sql volatile security definer set search_path = pg_catalog
    as $$
    update core.ingest_runs r set satisfied = greatest(r.satisfied, run_started.wished)
    from core.clients c
    where c.id = r.client_id and c.slug = run_started.slug
$$;
comment on function core.run_started(text, bigint) is 'Notes that a run begins after this many wishes of a client.';

grant usage on schema core, raw to pulse_ingest;
grant execute on function core.ingest_source(), core.webhook_nonces(text, text, text), core.claim_runs(),
    core.run_started(text, bigint) to pulse_ingest;

-- The functions above run as the owner, in sessions of pulse_ingest.
create policy ingest on core.clients for select to pulse_owner using (session_user = 'pulse_ingest');
create policy ingest on core.integrations for select to pulse_owner using (session_user = 'pulse_ingest');

create function core.open_to_ingest(target regclass, rights text) returns void
    language plpgsql set search_path = pg_catalog
    as $$
begin
    execute format('grant %s on %s to pulse_ingest', rights, target);
    execute format('create policy ingest on %s to pulse_ingest using ((client_id, integration_id) = '
                   '(select s.client_id, s.integration_id from core.ingest_source() s))', target);
end $$;
comment on function core.open_to_ingest(regclass, text) is
    'For migrations: pulse_ingest may use the table''s rows of the integration whose key it has.';
revoke execute on function core.open_to_ingest(regclass, text) from public;

select core.protect_table(target::regclass, etl => is_open, staff => is_open, reader => false)
from (values ('core.ingest_keys', false), ('core.ingest_moves', true), ('core.ingest_deliveries', true),
             ('core.ingest_runs', true)) as t (target, is_open);
create policy ingest on core.ingest_keys for select to pulse_owner using (session_user = 'pulse_ingest');
create policy runs on core.ingest_runs to pulse_owner using (session_user = 'pulse_ingest');
create policy ingest on core.ingest_runs to pulse_ingest
    using (client_id = (select s.client_id from core.ingest_source() s));
grant select, insert, update on core.ingest_runs to pulse_ingest;
select core.open_to_ingest('core.ingest_moves', 'select, insert, update');
select core.open_to_ingest('core.ingest_deliveries', 'select, insert, delete');
select core.open_to_ingest('raw.rejects', 'select, insert, update (replayed_at)');
-- A client's own setting decides whether what is sent starts a run.
grant select on core.system_settings to pulse_ingest;
create policy ingest on core.system_settings for select to pulse_ingest
    using (client_id = (select s.client_id from core.ingest_source() s) and setting_key like 'ingest.%');

-- Keys are made and revoked by an admin; nobody changes one.
grant select, insert, update (revoked_at) on core.ingest_keys to pulse_admin;
create policy admin on core.ingest_keys to pulse_admin using (true);
