-- When each server was last backed up, as whoever makes the backups says; alerts that concern no single client; and what
-- sync_clients has done already.

create table core.backups (
    server    text primary key check (server ~ '^[a-z][a-z0-9_-]{0,62}$'),
    taken_at  timestamptz not null,
    noted_at  timestamptz not null default now()
);
comment on table core.backups is
    'One row per server: when its newest backup was taken. The keeper of ./pulse writes it; so does, as pulse_admin, whatever '
    'else makes backups (docs/maintenance.md).';
alter table core.backups enable row level security;
alter table core.backups force row level security;
grant select, insert, update, delete on core.backups to pulse_admin;
grant select on core.backups to pulse_staff;
create policy admin on core.backups to pulse_admin using (true);
create policy staff on core.backups for select to pulse_staff using (true);

create table core.installation_alerts (
    id            bigint generated always as identity primary key,
    kind          text not null,
    cause         text not null,
    begun_at      timestamptz not null default now(),
    told_at       timestamptz,
    over_at       timestamptz,
    over_told_at  timestamptz
);
comment on table core.installation_alerts is
    'As core.alerts, of problems that concern no single client: one row from the beginning of a problem to its end.';
create unique index installation_alerts_open on core.installation_alerts (kind) where over_at is null;
alter table core.installation_alerts enable row level security;
alter table core.installation_alerts force row level security;
grant select, insert, update, delete on core.installation_alerts to pulse_admin;
create policy admin on core.installation_alerts to pulse_admin using (true);

create table core.sync_state (
    slug            text primary key,
    declared        text not null default '',
    declared_at     timestamptz not null default '-infinity',
    provisioned     text not null default '',
    provisioned_at  timestamptz not null default '-infinity'
);
comment on table core.sync_state is
    'One row per client: what sync_clients has brought into the tables (declared) and into Superset (provisioned), as hashes, and '
    'when it last looked. A client for which neither differs costs no task and no request.';
alter table core.sync_state enable row level security;
alter table core.sync_state force row level security;
grant select, insert, update, delete on core.sync_state to pulse_admin;
create policy admin on core.sync_state to pulse_admin using (true);
