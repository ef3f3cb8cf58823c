-- Links by which people set their passwords themselves, and what a client's own admin may do on the page People.

alter table core.users
    add column declared_hash text not null default '',
    add column origin text not null default 'variable' check (origin in ('variable', 'people', 'sso')),
    add column sso_subject text not null default '';
update core.users set declared_hash = password_hash;
comment on column core.users.password_hash is 'scrypt, as werkzeug writes it. Empty: the person has no password (yet).';
comment on column core.users.declared_hash is
    'The hash of the password that the Variable has. It becomes the person''s when the Variable changes, so that a password which '
    'the person has set stays.';
comment on column core.users.origin is
    'Who rules this person: the Variable, the page People, or the sign-in provider at the first sign-in. The Variable takes over '
    'whomever it names.';
comment on column core.users.sso_subject is
    'Who the person is at the sign-in provider (issuer and subject), since the first sign-in there: an address may be given to '
    'somebody else one day.';

-- One row per person with an open link. It goes when the link is used, so that no link is used twice.
create table core.password_links (
    client_id   integer not null references core.clients (id),
    email       text not null check (email = lower(email)),
    full_name   text not null default '',
    kind        text not null check (kind in ('declared', 'invited', 'reset')),
    asked_by    text not null,
    asked_at    timestamptz not null default now(),
    asks        integer not null default 1,
    send_at     timestamptz,
    sent_at     timestamptz,
    token_hash  text,
    expires_at  timestamptz,
    problem     text not null default '',
    primary key (client_id, email)
);
comment on table core.password_links is
    'One row per person with an open link. kind: an invitation of the Variable, one of the page People, or a forgotten password.';
comment on column core.password_links.token_hash is 'SHA-256 of the token in the link, in hex. The token is stored nowhere.';
comment on column core.password_links.send_at is 'When a mail is to go out; empty when none is. The link before it counts until then.';
create index password_links_token on core.password_links (token_hash);
select core.protect_table('core.password_links', etl => false, staff => false, reader => false);
grant select, insert, update, delete on core.password_links to pulse_admin;
create policy admin on core.password_links to pulse_admin using (true);

-- One row per "Forgot password?". Whether there is such a person is found out later, elsewhere: who asks cannot learn it.
create table core.password_requests (
    id        bigint generated always as identity primary key,
    email     text not null,
    asked_at  timestamptz not null default now()
);
alter table core.password_requests enable row level security, force row level security;
create policy owner on core.password_requests to pulse_owner using (session_user in ('pulse_owner', 'pulse_auth'));
create policy admin on core.password_requests to pulse_admin using (true);
grant select, delete on core.password_requests to pulse_admin;

-- The functions below run as the owner, in sessions of pulse_auth.
create policy links on core.password_links to pulse_owner using (session_user = 'pulse_auth');
create policy links on core.users to pulse_owner using (session_user = 'pulse_auth');
create policy links on core.user_sessions to pulse_owner using (session_user = 'pulse_auth');
create policy links on core.clients for select to pulse_owner using (session_user = 'pulse_auth');

create policy links on core.system_settings for select to pulse_owner
    using (session_user = 'pulse_auth' and setting_key ~ '^sso\.');
create policy sso on core.system_settings for select to pulse_auth using (setting_key ~ '^sso\.');

create function core.request_link(email text) returns void
    language sql volatile security definer set search_path = pg_catalog
    as $$
    insert into core.password_requests (email)
    select lower(request_link.email)
    where (select count(*) from (select from core.password_requests limit 1000) r) < 1000
$$;
comment on function core.request_link(text) is 'Notes that somebody has forgotten a password. The same work for every address.';

create function core.look_link(token_hash text)
    returns table (client_id integer, email text, full_name text, kind text)
    language sql stable security definer set search_path = pg_catalog
    as $$
    select l.client_id, l.email, l.full_name, l.kind
    from core.password_links l
    join core.clients c on c.id = l.client_id and c.active
    left join core.users u on u.client_id = l.client_id and u.email = l.email
    where l.token_hash = look_link.token_hash and l.expires_at > now() and (u.active or l.kind = 'invited')
$$;
comment on function core.look_link(text) is 'Whose link this is, by the hash of its token; no row when it is unknown, used or too old.';

create function core.take_link(token_hash text, password_hash text) returns text
    language plpgsql volatile security definer set search_path = pg_catalog
    as $$
declare
    link core.password_links;
begin
    if password_hash is null or password_hash !~ '^scrypt:32768:8:1\$[^$]{8,64}\$[0-9a-f]{128}$' then
        raise exception 'not a hash of a password' using errcode = 'invalid_parameter_value';
    end if;
    select l.* into link
    from core.password_links l
    join core.look_link(take_link.token_hash) found on (found.client_id, found.email) = (l.client_id, l.email)
    for update of l;
    -- Of two who use a link at once, the second waits here, and then finds no row.
    if not found or link.token_hash is distinct from take_link.token_hash then
        return null;
    end if;
    perform set_config('pulse.actor', link.email, true);
    delete from core.password_links l where (l.client_id, l.email) = (link.client_id, link.email);
    update core.users u
    set password_hash = take_link.password_hash, active = true, updated_at = now(),
        origin = case when u.active then u.origin else 'people' end,
        full_name = coalesce(nullif(u.full_name, ''), link.full_name)
    where (u.client_id, u.email) = (link.client_id, link.email);
    if not found then
        insert into core.users (client_id, email, full_name, password_hash, role, origin)
        values (link.client_id, link.email, link.full_name, take_link.password_hash, 'executive', 'people')
        on conflict (email) do nothing;
        if not found then
            return 'elsewhere';
        end if;
    end if;
    return 'set';
end $$;
comment on function core.take_link(text, text) is
    'Sets the password of the person whose link this is, and uses the link up. NULL when there is no such link; elsewhere when '
    'the address has a login at another client already.';

-- ----------------------------------------------------------------------------------------------- the page People

-- The session is the proof: whoever has only pulse_auth's login, and no client admin's session, invites nobody.
create function core.client_admin(session_hash text) returns core.users
    language sql stable security definer set search_path = pg_catalog
    as $$
    select u
    from core.user_sessions s
    join core.users u on (u.client_id, u.id) = (s.client_id, s.user_id)
    join core.clients c on c.id = u.client_id and c.active
    where s.token_hash = session_hash and s.active and s.expires_at > now() and u.active and u.role = 'client_admin'
$$;
comment on function core.client_admin(text) is 'The client_admin whose session this is, by the hash of its token; NULL for everybody else.';

create function core.people(session_hash text)
    returns table (email text, full_name text, role text, origin text, state text, problem text)
    language sql stable security definer set search_path = pg_catalog
    as $$
    with mine as (select a.client_id from core.client_admin(session_hash) a where a.client_id is not null)
    select coalesce(u.email, l.email), coalesce(nullif(u.full_name, ''), l.full_name, ''), coalesce(u.role, 'executive'),
           coalesce(u.origin, 'people'),
           case when u.password_hash <> '' or u.origin = 'sso' then 'active'
                when l.expires_at > now() then 'invited'
                when l.send_at is not null then 'waiting'
                else 'expired' end,
           coalesce(l.problem, '')
    from (select * from core.users where active and client_id = (select client_id from mine)) u
    full join (select * from core.password_links where client_id = (select client_id from mine)) l on l.email = u.email
    -- A link of somebody who was removed is no person.
    where u.id is not null or l.kind = 'invited'
    order by 1
$$;
comment on function core.people(text) is 'The people of the client whose client_admin has this session, and those who are invited.';

create function core.invite_person(session_hash text, email text, full_name text) returns text
    language plpgsql volatile security definer set search_path = pg_catalog
    as $$
declare
    admin   core.users := core.client_admin(session_hash);
    person  core.users;
    asked   timestamptz;
begin
    if admin.client_id is null then
        return 'forbidden';
    end if;
    if email !~ '^[a-z0-9!#$%&''*+/=?^_`{|}~.-]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)+$' or length(email) > 254
       or full_name ~ '[[:cntrl:]]' or length(full_name) > 120 then
        raise exception 'not an address, or not a name' using errcode = 'invalid_parameter_value';
    end if;
    perform set_config('pulse.actor', admin.email, true);
    perform pg_advisory_xact_lock(hashtext('pulse.people'), admin.client_id);
    select u.* into person from core.users u where u.client_id = admin.client_id and u.email = invite_person.email and u.active;
    if person.password_hash <> '' or person.origin = 'sso' then
        return 'is here';
    end if;
    if person.origin = 'variable' then
        return 'declared';
    end if;
    select l.asked_at into asked from core.password_links l
    where l.client_id = admin.client_id and l.email = invite_person.email;
    if asked > now() - interval '5 minutes' then
        return 'just now';
    end if;
    if (select count(*) filter (where l.asked_at > now() - interval '1 hour') >= 30 or count(*) >= 300
        from core.password_links l where l.client_id = admin.client_id) then
        return 'too many';
    end if;
    insert into core.password_links as l (client_id, email, full_name, kind, asked_by, send_at)
    values (admin.client_id, invite_person.email, invite_person.full_name, 'invited', admin.email, now())
    on conflict on constraint password_links_pkey do update
        set kind = 'invited', full_name = coalesce(nullif(excluded.full_name, ''), l.full_name),
            asked_by = excluded.asked_by, asked_at = now(), asks = l.asks + 1, send_at = now(), problem = '';
    return 'invited';
end $$;
comment on function core.invite_person(text, text, text) is
    'Invites somebody to the client of this client_admin, and says what came of it: invited, is here, declared (by the Variable), '
    'just now, too many, forbidden. Whether the address belongs to another client is found out when the link is used.';

create function core.remove_person(session_hash text, email text) returns text
    language plpgsql volatile security definer set search_path = pg_catalog
    as $$
declare
    admin   core.users := core.client_admin(session_hash);
    person  core.users;
begin
    if admin.client_id is null then
        return 'forbidden';
    end if;
    perform set_config('pulse.actor', admin.email, true);
    perform pg_advisory_xact_lock(hashtext('pulse.people'), admin.client_id);
    select u.* into person from core.users u where u.client_id = admin.client_id and u.email = remove_person.email and u.active;
    if person.id = admin.id then
        return 'yourself';
    end if;
    if person.origin = 'variable' then
        return 'declared';
    end if;
    delete from core.password_links l
    where l.client_id = admin.client_id and l.email = remove_person.email and (person.id is not null or l.kind = 'invited');
    if person.id is null and not found then
        return 'unknown';
    end if;
    update core.users u set active = false, password_hash = '', declared_hash = '', sso_subject = '', updated_at = now()
    where u.client_id = admin.client_id and u.id = person.id;
    return 'removed';
end $$;
comment on function core.remove_person(text, text) is
    'Removes somebody whom the Variable does not name from the client of this client_admin, and ends their sessions. Says what '
    'came of it: removed, yourself, declared, unknown, forbidden.';

-- --------------------------------------------------------------------------------------------- single sign-on

create function core.sso_client(provider text, domain text) returns integer
    language sql stable security definer set search_path = pg_catalog
    as $$
    select case when count(*) = 1 then min(c.id) filter (where p.setting_value = to_jsonb(provider)) end
    from core.system_settings d
    join core.clients c on c.id = d.client_id and c.active
    left join core.system_settings p on p.client_id = c.id and p.setting_key = 'sso.provider'
    where d.setting_key = 'sso.domains' and d.setting_value ? domain
$$;
comment on function core.sso_client(text, text) is
    'The client whose people with addresses of this domain the provider signs in; NULL if there is none, or more than one.';

create function core.sso_sign_in(provider text, everyone boolean, email text, subject text, full_name text, role text)
    returns text
    language plpgsql volatile security definer set search_path = pg_catalog
    as $$
declare
    home    integer := core.sso_client(provider, split_part(email, '@', 2));
    person  core.users;
    bound   text;
begin
    if email <> lower(email) or subject = '' or role not in ('executive', 'manager', 'client_admin') then
        raise exception 'not a person' using errcode = 'invalid_parameter_value';
    end if;
    perform set_config('pulse.actor', email, true);
    perform pg_advisory_xact_lock(hashtext('pulse.sso'), hashtext(email));
    select u.* into person from core.users u where u.email = sso_sign_in.email for update;
    if not found then
        if home is null or not exists (select from core.system_settings s where s.client_id = home
                                       and s.setting_key = 'sso.create' and s.setting_value = 'true'::jsonb) then
            return 'unknown';
        end if;
        if role is null then
            return 'no role';
        end if;
        insert into core.users (client_id, email, full_name, password_hash, role, origin, sso_subject)
        values (home, email, left(full_name, 120), '', role, 'sso', subject);
        return 'in';
    end if;
    -- One client's provider does not speak for another's people, whatever it says about their addresses.
    select s.setting_value #>> '{}' into bound from core.system_settings s
    where s.client_id = person.client_id and s.setting_key = 'sso.provider';
    if home is distinct from person.client_id and not (everyone and coalesce(bound, provider) = provider) then
        return 'unknown';
    end if;
    if not person.active or not exists (select from core.clients c where c.id = person.client_id and c.active) then
        return 'not active';
    end if;
    if person.sso_subject not in ('', subject) then
        return 'somebody else';
    end if;
    if person.origin = 'sso' and role is null then
        return 'no role';
    end if;
    update core.users u
    set sso_subject = subject, updated_at = now(),
        role = case when u.origin = 'sso' then sso_sign_in.role else u.role end
    where (u.client_id, u.id) = (person.client_id, person.id)
      and (u.sso_subject, u.role) is distinct from
          (subject, case when u.origin = 'sso' then sso_sign_in.role else u.role end);
    return 'in';
end $$;
comment on function core.sso_sign_in(text, boolean, text, text, text, text) is
    'Whether somebody whom a provider has signed in is a person here: in, unknown, not active, somebody else (the address had '
    'another owner there), no role. Where the client says so, a person of its domains is created, and only there.';

revoke execute on function core.sso_client(text, text), core.sso_sign_in(text, boolean, text, text, text, text),
    core.request_link(text), core.look_link(text), core.take_link(text, text), core.client_admin(text),
    core.people(text), core.invite_person(text, text, text), core.remove_person(text, text) from public;
grant execute on function core.sso_client(text, text), core.sso_sign_in(text, boolean, text, text, text, text),
    core.request_link(text), core.look_link(text), core.take_link(text, text), core.people(text),
    core.invite_person(text, text, text), core.remove_person(text, text) to pulse_auth;
