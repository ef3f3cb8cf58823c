alter table core.etl_runs
    add column steps_done integer not null default 0,
    add column steps_all integer not null default 0;
comment on column core.etl_runs.steps_all is
    'Of how many steps the work consists: the models of a stage; for a run that discovers, the repositories or projects that its '
    'DAG run is to read. 0 where nothing is counted.';
comment on column core.etl_runs.steps_done is
    'How many of them are done; written every second while the run is at work. Of repositories and projects, each has a run of its own.';

create index etl_runs_running on core.etl_runs (client_id) where state = 'running';

alter table core.data_versions add column published bigint not null default 0;
comment on column core.data_versions.published is
    'The version that the last publication of the client''s DAG stood for. While it is the present one, there is nothing to publish.';

-- Whoever listens on the channel pulse_clients of the primary hears that the state of some client has moved. It says no more,
-- because every role that may connect may listen.
create function core.tell_clients_moved() returns trigger
    language plpgsql set search_path = pg_catalog
    as $$
begin
    perform pg_notify('pulse_clients', '');
    return null;
end $$;
comment on function core.tell_clients_moved() is 'Trigger: tells those who listen on pulse_clients that a client''s state has moved.';
revoke execute on function core.tell_clients_moved() from public;
create trigger tell after insert or update on core.etl_runs for each statement execute function core.tell_clients_moved();
create trigger tell after insert or update on core.clients for each statement execute function core.tell_clients_moved();
create trigger tell after insert or update or delete on core.declaration_faults
    for each statement execute function core.tell_clients_moved();
