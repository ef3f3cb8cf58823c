-- Reports by mail: who wants which, what was sent, and who stopped them.

alter table core.users
    add column reports text[] not null default '{}' check (reports <@ array['weekly', 'monthly']);
comment on column core.users.reports is 'The reports that the person is to get by mail: weekly, monthly or both.';

create table core.reports_sent (
    client_id         integer not null,
    user_id           bigint not null,
    report            text not null check (report in ('weekly', 'monthly')),
    period_start      date not null,
    message_id        text not null,
    unsubscribe_hash  text not null,
    begun_at          timestamptz not null default now(),
    sent_at           timestamptz,
    primary key (client_id, user_id, report, period_start),
    foreign key (client_id, user_id) references core.users (client_id, id)
);
comment on table core.reports_sent is
    'One row per report, person and period: written before the message is given to the mail server, so that nobody gets it '
    'twice, and deleted when that server refuses it. Without sent_at, nobody knows whether the message has left.';
comment on column core.reports_sent.unsubscribe_hash is 'SHA-256 of the token in the message''s link, in hex.';
create index reports_sent_unsubscribe on core.reports_sent (unsubscribe_hash);

create table core.reports_stopped (
    client_id   integer not null,
    user_id     bigint not null,
    report      text not null check (report in ('weekly', 'monthly')),
    stopped_at  timestamptz not null default now(),
    primary key (client_id, user_id, report),
    foreign key (client_id, user_id) references core.users (client_id, id)
);
comment on table core.reports_stopped is
    'One row per report that a person has stopped with the link in a message. It goes when the Variable no longer asks for it.';

-- Who gets mail is people's data: for the login that manages them alone.
select core.protect_table('core.reports_sent', etl => false, staff => false, reader => false);
select core.protect_table('core.reports_stopped', etl => false, staff => false, reader => false);
grant select, insert, update, delete on core.reports_sent, core.reports_stopped to pulse_admin;
create policy admin on core.reports_sent to pulse_admin using (true);
create policy admin on core.reports_stopped to pulse_admin using (true);

-- The token is the proof: Superset's login for accounts can stop a report, and read neither table.
create function core.stop_report(token_hash text) returns text
    language sql volatile security definer set search_path = pg_catalog
    as $$
    with named as (
        select client_id, user_id, report from core.reports_sent where unsubscribe_hash = token_hash
    ), stopped as (
        insert into core.reports_stopped (client_id, user_id, report)
        select client_id, user_id, report from named
        on conflict do nothing
    )
    select report from named
$$;
comment on function core.stop_report(text) is
    'Stops the report that a message was, by the hash of the token in its link. NULL when there is no such message.';
revoke execute on function core.stop_report(text) from public;
grant execute on function core.stop_report(text) to pulse_auth;
create policy unsubscribe on core.reports_sent for select to pulse_owner using (session_user = 'pulse_auth');
create policy unsubscribe on core.reports_stopped to pulse_owner using (session_user = 'pulse_auth');
