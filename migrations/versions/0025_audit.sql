-- The audit: who did what, when and from where. Rows are only added; they go after a year.
--
-- What changes in the tables is noted by triggers, in the same transaction and whoever changes it. What happens in Superset (sign-ins,
-- refusals, downloads) is noted through audit.note.

create schema audit;
create table audit.log (
    id         bigint generated always as identity primary key,
    ref        uuid not null default gen_random_uuid() unique,
    at         timestamptz not null default clock_timestamp(),
    kind       text not null check (kind ~ '^[a-z][a-z ]{1,39}$'),
    who        text not null,
    address    text not null default '',
    client_id  integer,
    what       text not null default '',
    login      text not null default session_user
);
comment on table audit.log is 'One row per event. Nobody, the owner included, can change one, or delete one that is younger than a year.';
comment on column audit.log.ref is 'Made by whoever notes the event, so that it is there once, however often it is written.';
comment on column audit.log.who is 'The person''s e-mail address or name; of what a process does by itself, its name.';
comment on column audit.log.address is 'The network address that the person came from; empty for processes.';
comment on column audit.log.login is 'The database login that wrote the row.';
create index log_at on audit.log (at);
create index log_client on audit.log (client_id, at);

alter table audit.log enable row level security, force row level security;
create policy owner on audit.log for select to pulse_owner
    using (session_user = 'pulse_owner' or at < now() - interval '1 year');
create policy added on audit.log for insert to pulse_owner with check (true);
create policy old on audit.log for delete to pulse_owner using (at < now() - interval '1 year');
create policy staff on audit.log for select to pulse_staff using (true);

create function audit.keep() returns trigger
    language plpgsql set search_path = pg_catalog
    as $$
begin
    if tg_op = 'DELETE' and old.at < now() - interval '1 year' then
        return old;
    end if;
    raise exception 'the audit is only added to' using errcode = 'insufficient_privilege';
end $$;
comment on function audit.keep() is 'Trigger: refuses changes of the audit, also the superuser''s.';
revoke execute on function audit.keep() from public;
create trigger keep before update or delete on audit.log for each row execute function audit.keep();
create trigger keep_all before truncate on audit.log for each statement execute function audit.keep();

create view audit.events with (security_invoker = true) as
    select l.at, l.kind, l.who, l.address as from_where, c.slug as client, l.what, l.login, l.id
    from audit.log l left join core.clients c on c.id = l.client_id;
comment on view audit.events is 'Who did what, when and from where, for staff. docs/audit.md lists the kinds.';
grant usage on schema audit to pulse_staff, pulse_auth, pulse_admin;
grant select on audit.log, audit.events to pulse_staff;

create function audit.note(
    kind text, who text, address text, client_id integer, what text, at timestamptz default null, ref uuid default null
) returns void
    language sql volatile security definer set search_path = pg_catalog
    as $$
    insert into audit.log (ref, at, kind, who, address, client_id, what)
    values (coalesce(ref, gen_random_uuid()), least(at, clock_timestamp()), kind, left(who, 254), left(address, 64),
            client_id, left(what, 500))
    on conflict do nothing
$$;
comment on function audit.note(text, text, text, integer, text, timestamptz, uuid) is
    'Adds an event. With the ref of one that is there already, it does nothing.';

create function audit.forget_old() returns bigint
    language plpgsql volatile security definer set search_path = pg_catalog
    as $$
declare
    gone bigint := 0;
begin
    -- A day's worth at once: it may be called as often as one likes.
    if exists (select from audit.log where at < now() - interval '1 year 1 day') then
        delete from audit.log where at < now() - interval '1 year';
        get diagnostics gone = row_count;
        perform audit.note('purged', 'pulse', '', null, gone || ' events older than a year');
    end if;
    return gone;
end $$;
comment on function audit.forget_old() is 'Deletes events that are older than a year, at most once a day; how many.';

-- ------------------------------------------------------------------------------------- what changes in the tables

create function audit.add(kind text, client integer, what text) returns void
    language sql volatile security definer set search_path = pg_catalog
    as $$
    select audit.note(
        kind, coalesce(nullif(current_setting('pulse.actor', true), ''), session_user),
        coalesce(current_setting('pulse.address', true), ''), client, what)
$$;
comment on function audit.add(text, integer, text) is
    'Adds an event of this transaction: pulse.actor names who acts (default: the login), pulse.address from where.';

create function audit.people() returns trigger
    language plpgsql security definer set search_path = pg_catalog
    as $$
begin
    if tg_op = 'DELETE' then
        perform audit.add('person deleted', old.client_id, old.email);
    elsif tg_op = 'INSERT' then
        perform audit.add('person added', new.client_id, format('%s as %s (%s)', new.email, new.role, new.origin));
    else
        if new.active is distinct from old.active then
            perform audit.add(case when new.active then 'person added' else 'person removed' end, new.client_id, new.email);
        end if;
        if (new.email, new.role) is distinct from (old.email, old.role) then
            perform audit.add('role changed', new.client_id,
                format('%s as %s, was %s as %s', new.email, new.role, old.email, old.role));
        end if;
        if new.password_hash <> old.password_hash and new.password_hash <> '' then
            perform audit.add('password changed', new.client_id, new.email);
        end if;
    end if;
    return null;
end $$;

create function audit.links() returns trigger
    language plpgsql security definer set search_path = pg_catalog
    as $$
begin
    if tg_op = 'INSERT' or new.asked_at is distinct from old.asked_at then
        perform audit.add(case when new.kind = 'reset' then 'password forgotten' else 'person invited' end, new.client_id,
            format('%s, asked by %s', new.email, new.asked_by));
    end if;
    if new.token_hash is not null and (tg_op = 'INSERT' or new.token_hash is distinct from old.token_hash) then
        perform audit.add('link made', new.client_id, new.email);
    end if;
    return null;
end $$;

create function audit.settings() returns trigger
    language plpgsql security definer set search_path = pg_catalog
    as $$
begin
    if tg_op = 'DELETE' then
        perform audit.add('setting changed', old.client_id, format('%s: default, was %s', old.setting_key,
            left(old.setting_value::text, 200)));
    elsif tg_op = 'INSERT' then
        perform audit.add('setting changed', new.client_id, format('%s: %s', new.setting_key, left(new.setting_value::text, 200)));
    elsif new.setting_value <> old.setting_value then
        perform audit.add('setting changed', new.client_id, format('%s: %s, was %s', new.setting_key,
            left(new.setting_value::text, 200), left(old.setting_value::text, 200)));
    end if;
    return null;
end $$;

create function audit.sources() returns trigger
    language plpgsql security definer set search_path = pg_catalog
    as $$
declare
    kept text[] := array['updated_at', 'created_at', 'id', 'client_id'];
    changed text;
begin
    if tg_op = 'DELETE' then
        perform audit.add('source changed', old.client_id, old.name || ' deleted');
    elsif tg_op = 'INSERT' then
        perform audit.add('source changed', new.client_id, format('%s (%s) added', new.name, new.integration_type));
    else
        -- The names only: what an admin declares may hold what is nobody's business.
        select string_agg(n.key, ', ' order by n.key) into changed
        from jsonb_each(to_jsonb(new)) n join jsonb_each(to_jsonb(old)) o on o.key = n.key and o.value <> n.value
        where n.key <> all (kept);
        if changed is not null then
            perform audit.add('source changed', new.client_id, format('%s: %s', new.name, changed));
        end if;
    end if;
    return null;
end $$;

create function audit.clients() returns trigger
    language plpgsql security definer set search_path = pg_catalog
    as $$
begin
    if tg_op = 'INSERT' then
        perform audit.add('client added', new.id, new.slug);
    elsif new.active is distinct from old.active then
        perform audit.add(case when new.active then 'client activated' else 'client deactivated' end, new.id, new.slug);
    elsif (new.name, new.time_zone) is distinct from (old.name, old.time_zone) then
        perform audit.add('setting changed', new.id, format('name and zone: %s, %s', new.name, new.time_zone));
    end if;
    return null;
end $$;

create function audit.keys() returns trigger
    language plpgsql security definer set search_path = pg_catalog
    as $$
begin
    if tg_op = 'INSERT' then
        perform audit.add('key made', new.client_id, format('key %s, %s of source %s, %s', new.id, new.kind, new.integration_id, new.label));
    elsif new.revoked_at is not null and old.revoked_at is null then
        perform audit.add('key revoked', new.client_id, format('key %s', new.id));
    end if;
    return null;
end $$;

create function audit.reports() returns trigger
    language plpgsql security definer set search_path = pg_catalog
    as $$
begin
    if new.sent_at is not null and old.sent_at is null then
        perform audit.add('report sent', new.client_id, format('%s to user %s', new.report, new.user_id));
    end if;
    return null;
end $$;

create trigger audit after insert or update or delete on core.users for each row execute function audit.people();
create trigger audit after insert or update on core.password_links for each row execute function audit.links();
create trigger audit after insert or update or delete on core.system_settings for each row execute function audit.settings();
create trigger audit after insert or update or delete on core.integrations for each row execute function audit.sources();
create trigger audit after insert or update on core.clients for each row execute function audit.clients();
create trigger audit after insert or update on core.ingest_keys for each row execute function audit.keys();
create trigger audit after update on core.reports_sent for each row execute function audit.reports();

revoke execute on all functions in schema audit from public;
grant execute on function audit.note(text, text, text, integer, text, timestamptz, uuid) to pulse_auth, pulse_admin;
grant execute on function audit.forget_old() to pulse_admin;
-- Triggers run with the rights of who changes the table; these functions are their owner's.
do $$
declare
    name text;
begin
    foreach name in array array['people', 'links', 'settings', 'sources', 'clients', 'keys', 'reports'] loop
        execute format('comment on function audit.%I() is %L', name, 'Trigger: notes what changes.');
    end loop;
end $$;
