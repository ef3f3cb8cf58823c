-- More of what the sources say: tags, workflow jobs, files of pull requests, boards and sprints, and the records of custom
-- sources; and what an extraction knows of itself: its budget, when it goes on, what it warns of, and the census.

do $$
declare entity text;
begin
    foreach entity in array array['github_tags', 'github_workflow_jobs', 'jira_boards', 'jira_sprints'] loop
        execute format($f$
            create table raw.%1$I (
                client_id            integer not null,
                integration_id       bigint not null,
                record_id            text not null,
                scope_key            text not null,
                payload              jsonb not null,
                payload_hash         text not null,
                upstream_updated_at  timestamptz,
                extracted_at         timestamptz not null default now(),
                loaded_xid           xid8 not null default pg_current_xact_id(),
                deleted_at           timestamptz,
                primary key (client_id, integration_id, record_id),
                foreign key (client_id, integration_id) references core.integrations (client_id, id)
            );
            create index %2$I on raw.%1$I (client_id, loaded_xid);
            create index %3$I on raw.%1$I (client_id, integration_id, scope_key);
        $f$, entity, entity || '_loaded', entity || '_scope');
        if exists (select from pg_settings where name = 'default_toast_compression' and 'lz4' = any (enumvals)) then
            execute format('alter table raw.%I alter column payload set compression lz4', entity);
        end if;
        perform core.protect_table(format('raw.%I', entity)::regclass, etl => true, staff => false, reader => false);
    end loop;
end $$;

create table core.github_tags (
    client_id       integer not null,
    integration_id  bigint not null,
    repository_id   bigint not null,
    name            text not null,
    sha             text not null,
    tagged_at       timestamptz,
    deleted_at      timestamptz,
    primary key (client_id, integration_id, repository_id, name),
    foreign key (client_id, integration_id, repository_id) references core.github_repositories (client_id, integration_id, id)
);
comment on table core.github_tags is 'One row a tag of a repository: the commit it names and, where it was annotated, when.';

create table core.github_workflow_jobs (
    client_id       integer not null,
    integration_id  bigint not null,
    id              bigint not null,
    run_id          bigint not null,
    run_attempt     integer not null,
    name            text not null,
    status          text not null,
    conclusion      text,
    started_at      timestamptz,
    completed_at    timestamptz,
    deleted_at      timestamptz,
    primary key (client_id, integration_id, id),
    foreign key (client_id, integration_id, run_id, run_attempt)
        references core.github_workflow_runs (client_id, integration_id, id, run_attempt) on delete cascade
);
create index github_workflow_jobs_run on core.github_workflow_jobs (client_id, integration_id, run_id, run_attempt);
comment on table core.github_workflow_jobs is 'One row a job of a workflow run''s attempt.';

create table core.github_pull_request_files (
    client_id        integer not null,
    integration_id   bigint not null,
    pull_request_id  bigint not null,
    path             text not null,
    additions        integer not null default 0,
    deletions        integer not null default 0,
    primary key (client_id, integration_id, pull_request_id, path),
    foreign key (client_id, integration_id, pull_request_id)
        references core.github_pull_requests (client_id, integration_id, id) on delete cascade
);
comment on table core.github_pull_request_files is
    'One row a file that a pull request changes; filled where the client maps services to paths of a monorepo.';

create table core.jira_boards (
    client_id       integer not null,
    integration_id  bigint not null,
    id              bigint not null,
    name            text not null,
    board_type      text not null,
    project_key     text,
    deleted_at      timestamptz,
    primary key (client_id, integration_id, id),
    foreign key (client_id, integration_id) references core.integrations (client_id, id)
);
comment on table core.jira_boards is 'One row an agile board.';

create table core.jira_sprints (
    client_id       integer not null,
    integration_id  bigint not null,
    id              bigint not null,
    board_id        bigint,
    name            text not null,
    state           text not null check (state in ('future', 'active', 'closed')),
    started_at      timestamptz,
    ends_at         timestamptz,
    completed_at    timestamptz,
    deleted_at      timestamptz,
    primary key (client_id, integration_id, id),
    foreign key (client_id, integration_id) references core.integrations (client_id, id)
);
comment on table core.jira_sprints is 'One row a sprint of a scrum board.';

create table core.jira_issue_links (
    client_id       integer not null,
    integration_id  bigint not null,
    issue_id        bigint not null,
    id              bigint not null,
    link_type       text not null,
    direction       text not null check (direction in ('outward', 'inward')),
    other_key       text not null,
    primary key (client_id, integration_id, issue_id, id),
    foreign key (client_id, integration_id, issue_id)
        references core.jira_issues (client_id, integration_id, id) on delete cascade
);
comment on table core.jira_issue_links is 'One row a link of an issue to another, as seen from the issue.';

-- What a custom source (http_json) says, typed: the rows of raw.http_json_records by the entity that the admin declared.
create table core.custom_deployments (
    client_id       integer not null,
    integration_id  bigint not null,
    id              text not null,
    service         text not null,
    environment     text not null,
    result          text not null check (result in ('success', 'failure')),
    sha             text,
    ref_name        text,
    url             text,
    created_at      timestamptz not null,
    finished_at     timestamptz not null,
    deleted_at      timestamptz,
    primary key (client_id, integration_id, id),
    foreign key (client_id, integration_id) references core.integrations (client_id, id)
);
comment on table core.custom_deployments is 'One row an ended deployment that a custom source tells of.';

create table core.custom_incidents (
    client_id       integer not null,
    integration_id  bigint not null,
    id              text not null,
    key             text not null,
    title           text not null,
    description     text not null default '',
    service         text,
    severity        text,
    url             text,
    created_at      timestamptz not null,
    resolved_at     timestamptz,
    deleted_at      timestamptz,
    primary key (client_id, integration_id, id),
    foreign key (client_id, integration_id) references core.integrations (client_id, id)
);
comment on table core.custom_incidents is 'One row an incident that a custom source tells of.';

create table core.custom_changes (
    client_id        integer not null,
    integration_id   bigint not null,
    id               text not null,
    service          text not null,
    title            text not null,
    author           text,
    url              text,
    first_commit_at  timestamptz,
    opened_at        timestamptz not null,
    merged_at        timestamptz not null,
    merge_sha        text,
    deleted_at       timestamptz,
    primary key (client_id, integration_id, id),
    foreign key (client_id, integration_id) references core.integrations (client_id, id)
);
comment on table core.custom_changes is 'One row a merged change that a custom source tells of.';

-- What upstream holds and what we hold, counted once a week.
create table core.etl_census (
    client_id        integer not null,
    integration_id   bigint not null,
    entity           text not null,
    scope_key        text not null,
    upstream_count   integer not null,
    stored_count     integer not null,
    missing_count    integer not null,
    removed_count    integer not null,
    counted_at       timestamptz not null default now(),
    primary key (client_id, integration_id, entity, scope_key),
    foreign key (client_id, integration_id) references core.integrations (client_id, id)
);
comment on table core.etl_census is
    'The last complete count of a scope: ids that upstream lists, rows that were stored, ids that were missing here (and '
    'have been fetched since), rows that upstream no longer lists (marked as deleted).';

select core.protect_table(target::regclass, etl => true, staff => true, reader => true)
from unnest(array['core.github_tags', 'core.github_workflow_jobs', 'core.github_pull_request_files', 'core.jira_boards',
                  'core.jira_sprints', 'core.jira_issue_links', 'core.custom_deployments', 'core.custom_incidents',
                  'core.custom_changes', 'core.etl_census']) as target;

alter table core.etl_runs
    add column budget_remaining integer,
    add column resume_at timestamptz,
    add column unfinished integer not null default 0,
    add column warnings text[] not null default '{}';
comment on column core.etl_runs.budget_remaining is 'What the upstream said is left of the credential''s budget at the end.';
comment on column core.etl_runs.resume_at is 'When a deferred run goes on.';
comment on column core.etl_runs.unfinished is 'How many streams stopped at the run''s bound; the next run goes on.';
comment on column core.etl_runs.warnings is 'What an admin should know though the run went well: a token that ends soon, say.';

-- What a visit asks for again until it has ended: few rows of large tables.
create index github_deployments_open on raw.github_deployments (client_id, integration_id, scope_key)
    where deleted_at is null and payload ->> 'state' in ('PENDING', 'QUEUED', 'IN_PROGRESS', 'WAITING');
create index github_workflow_runs_open on raw.github_workflow_runs (client_id, integration_id, scope_key)
    where deleted_at is null and payload ->> 'status' <> 'completed';
create index github_workflow_runs_repeated on raw.github_workflow_runs (client_id, integration_id, scope_key)
    where deleted_at is null and payload ->> 'run_attempt' <> '1';
create index rejects_open on raw.rejects (client_id, integration_id) where replayed_at is null;

-- Walks that were interrupted keep what is left in another form now: begin them again.
delete from core.etl_checkpoints where cursor_data ? 'started_at' and stream <> 'issues';

-- The same right to renew statistics as on the older tables.
do $$
begin
    if current_setting('server_version_num')::integer >= 170000 then
        execute 'grant maintain on all tables in schema raw, core to pulse_etl';
    end if;
end $$;
