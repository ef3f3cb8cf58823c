-- What is wrong with a client's Variable. By slug: a client whose first Variable is faulty has no row in core.clients yet.
create table core.declaration_faults (
    slug      text not null,
    place     integer not null,
    field     text not null,
    rule      text not null,
    value     text not null default '',
    example   text not null default '',
    found_at  timestamptz not null default now(),
    primary key (slug, place)
);
comment on table core.declaration_faults is
    'The faults that the last sync_clients found in the Variable pulse_client_<slug>, in the order of its fields. None: the '
    'Variable is good, or gone. A value that might be a secret is not here.';
alter table core.declaration_faults enable row level security;
alter table core.declaration_faults force row level security;
grant select, insert, delete on core.declaration_faults to pulse_admin;
grant select on core.declaration_faults to pulse_staff;
create policy admin on core.declaration_faults to pulse_admin using (true);
create policy staff on core.declaration_faults for select to pulse_staff using (true);
