-- What the data team is told by mail: when it begins, and when it is over.
create table core.alerts (
    id             bigint generated always as identity,
    client_id      integer not null references core.clients (id),
    kind           text not null,
    cause          text not null,
    begun_at       timestamptz not null default now(),
    told_at        timestamptz,
    over_at        timestamptz,
    over_told_at   timestamptz,
    primary key (client_id, id)
);
comment on table core.alerts is
    'One row per client and problem, from its beginning to its end. kind: the state of the client and, of a failure, its class; '
    'clients with the same kind are told of in one message. told_at, over_told_at: when the mail server took it.';
create unique index alerts_open on core.alerts (client_id, kind) where over_at is null;
select core.protect_table('core.alerts', etl => false, staff => false, reader => false);
grant select, insert, update, delete on core.alerts to pulse_admin;
create policy admin on core.alerts to pulse_admin using (true);
