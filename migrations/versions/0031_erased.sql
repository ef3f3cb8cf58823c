-- People who were erased from a client's rows. No name is here: a hash says whether a text is one of theirs.

create table core.erased (
    client_id      integer not null references core.clients (id),
    identity_hash  text not null,
    salt           text not null,
    words          integer not null check (words between 1 and 20),
    everywhere     boolean not null,
    pseudonym      text not null,
    erased_at      timestamptz not null default now(),
    primary key (client_id, identity_hash)
);
comment on table core.erased is
    'One row per login, name, address or account id of a person who was erased: whatever is loaded from then on has the pseudonym '
    'in its place. identity_hash: HMAC-SHA-256 (hexadecimal) of it, in small letters, with the client''s salt. words: of how many words it '
    'consists. everywhere: it is replaced in every text, not only where a person is named.';
select core.protect_table('core.erased', etl => false, staff => false, reader => false);
create policy lookup on core.erased for select to pulse_owner using (session_user in ('pulse_etl', 'pulse_ingest'));

create function core.erased_people() returns table (identity_hash text, salt text, words integer, everywhere boolean, pseudonym text)
    language sql stable security definer set search_path = pg_catalog
    as $$
    select e.identity_hash, e.salt, e.words, e.everywhere, e.pseudonym
    from core.erased e
    where e.client_id = case when session_user = 'pulse_ingest' then (select s.client_id from core.ingest_source() s)
                             else core.etl_client_id() end
$$;
comment on function core.erased_people() is 'Who must not come back into the rows of the client that this transaction works for.';
revoke all on function core.erased_people() from public;
grant execute on function core.erased_people() to pulse_etl, pulse_ingest;
