-- What the sources said. raw.*: one row an upstream record, its trimmed payload as it came (all tables have one
-- shape). core.github_* and core.jira_*: the same records as typed columns, made by include/sql/normalise.

do $$
declare entity text;
begin
    foreach entity in array array[
        'github_repositories', 'github_pull_requests', 'github_commits', 'github_deployments',
        'github_workflow_runs', 'github_releases', 'github_issues',
        'jira_projects', 'jira_statuses', 'jira_issues', 'jira_changelogs', 'http_json_records'
    ] loop
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
    end loop;
end $$;

-- Records that could not be read: nothing is dropped silently.
create table raw.rejects (
    client_id       integer not null,
    id              bigint generated always as identity,
    integration_id  bigint not null,
    entity          text not null,
    record_id       text,
    scope_key       text not null default '',
    payload         text not null,
    reason          text not null,
    rejected_at     timestamptz not null default now(),
    replayed_at     timestamptz,
    primary key (client_id, id),
    foreign key (client_id, integration_id) references core.integrations (client_id, id)
);

create table core.github_repositories (
    client_id       integer not null,
    integration_id  bigint not null,
    id              bigint not null,
    node_id         text not null,
    full_name       text not null,
    default_branch  text,
    url             text not null,
    archived        boolean not null default false,
    pushed_at       timestamptz,
    deleted_at      timestamptz,
    primary key (client_id, integration_id, id),
    foreign key (client_id, integration_id) references core.integrations (client_id, id)
);

create table core.github_pull_requests (
    client_id            integer not null,
    integration_id       bigint not null,
    id                   bigint not null,
    repository_id        bigint not null,
    number               integer not null,
    title                text not null,
    url                  text not null,
    state                text not null check (state in ('open', 'closed', 'merged')),
    author_login         text,
    author_is_bot        boolean not null default false,
    is_draft             boolean not null default false,
    base_branch          text not null,
    head_branch          text not null,
    created_at           timestamptz not null,
    updated_at           timestamptz not null,
    ready_at             timestamptz,
    first_authored_at    timestamptz,
    first_committed_at   timestamptz,
    first_review_at      timestamptz,
    approved_at          timestamptz,
    merged_at            timestamptz,
    closed_at            timestamptz,
    merge_commit_sha     text,
    additions            integer not null default 0,
    deletions            integer not null default 0,
    changed_files        integer not null default 0,
    commit_count         integer not null default 0,
    review_count         integer not null default 0,
    comment_count        integer not null default 0,
    labels               text[] not null default '{}',
    reverts_number       integer,
    closing_issue_numbers integer[] not null default '{}',
    deleted_at           timestamptz,
    primary key (client_id, integration_id, id),
    foreign key (client_id, integration_id, repository_id) references core.github_repositories (client_id, integration_id, id)
);
create index github_pull_requests_merge on core.github_pull_requests (client_id, integration_id, repository_id, merge_commit_sha);

create table core.github_pull_request_commits (
    client_id        integer not null,
    integration_id   bigint not null,
    pull_request_id  bigint not null,
    sha              text not null,
    position         integer not null,
    authored_at      timestamptz,
    committed_at     timestamptz,
    author_login     text,
    headline         text not null default '',
    primary key (client_id, integration_id, pull_request_id, sha),
    foreign key (client_id, integration_id, pull_request_id)
        references core.github_pull_requests (client_id, integration_id, id) on delete cascade
);

create table core.github_pull_request_reviews (
    client_id        integer not null,
    integration_id   bigint not null,
    pull_request_id  bigint not null,
    id               bigint not null,
    author_login     text,
    author_is_bot    boolean not null default false,
    state            text not null,
    submitted_at     timestamptz,
    comment_count    integer not null default 0,
    primary key (client_id, integration_id, pull_request_id, id),
    foreign key (client_id, integration_id, pull_request_id)
        references core.github_pull_requests (client_id, integration_id, id) on delete cascade
);

create table core.github_pull_request_events (
    client_id        integer not null,
    integration_id   bigint not null,
    pull_request_id  bigint not null,
    id               text not null,
    event_type       text not null,
    actor_login      text,
    created_at       timestamptz not null,
    primary key (client_id, integration_id, pull_request_id, id),
    foreign key (client_id, integration_id, pull_request_id)
        references core.github_pull_requests (client_id, integration_id, id) on delete cascade
);

-- The default branch's history. position orders the first-parent chain (newer is greater; only the order
-- means anything). A commit off the chain has the position of the chain commit that brought it in.
create table core.github_commits (
    client_id          integer not null,
    integration_id     bigint not null,
    repository_id      bigint not null,
    sha                text not null,
    parent_shas        text[] not null default '{}',
    position           bigint,
    is_first_parent    boolean not null default false,
    authored_at        timestamptz,
    committed_at       timestamptz not null,
    headline           text not null default '',
    primary key (client_id, integration_id, repository_id, sha),
    foreign key (client_id, integration_id, repository_id) references core.github_repositories (client_id, integration_id, id)
);
create index github_commits_position on core.github_commits (client_id, integration_id, repository_id, position);

create table core.github_deployments (
    client_id         integer not null,
    integration_id    bigint not null,
    id                bigint not null,
    repository_id     bigint not null,
    environment       text not null,
    task              text not null default 'deploy',
    sha               text,
    ref_name          text,
    description       text not null default '',
    state             text not null,
    url               text,
    creator_login     text,
    created_at        timestamptz not null,
    updated_at        timestamptz,
    first_success_at  timestamptz,
    first_failure_at  timestamptz,
    deleted_at        timestamptz,
    primary key (client_id, integration_id, id),
    foreign key (client_id, integration_id, repository_id) references core.github_repositories (client_id, integration_id, id)
);

create table core.github_deployment_statuses (
    client_id       integer not null,
    integration_id  bigint not null,
    deployment_id   bigint not null,
    id              text not null,
    state           text not null,
    created_at      timestamptz not null,
    log_url         text,
    primary key (client_id, integration_id, deployment_id, id),
    foreign key (client_id, integration_id, deployment_id)
        references core.github_deployments (client_id, integration_id, id) on delete cascade
);

create table core.github_workflow_runs (
    client_id       integer not null,
    integration_id  bigint not null,
    id              bigint not null,
    run_attempt     integer not null,
    repository_id   bigint not null,
    workflow_name   text not null,
    event           text not null,
    head_branch     text,
    head_sha        text not null,
    status          text not null,
    conclusion      text,
    url             text not null,
    created_at      timestamptz not null,
    started_at      timestamptz,
    updated_at      timestamptz not null,
    deleted_at      timestamptz,
    primary key (client_id, integration_id, id, run_attempt),
    foreign key (client_id, integration_id, repository_id) references core.github_repositories (client_id, integration_id, id)
);

create table core.github_releases (
    client_id       integer not null,
    integration_id  bigint not null,
    id              bigint not null,
    repository_id   bigint not null,
    tag_name        text not null,
    sha             text,
    name            text,
    is_prerelease   boolean not null default false,
    url             text not null,
    created_at      timestamptz not null,
    published_at    timestamptz,
    deleted_at      timestamptz,
    primary key (client_id, integration_id, id),
    foreign key (client_id, integration_id, repository_id) references core.github_repositories (client_id, integration_id, id)
);

create table core.github_issues (
    client_id       integer not null,
    integration_id  bigint not null,
    id              bigint not null,
    repository_id   bigint not null,
    number          integer not null,
    title           text not null,
    body            text not null default '',
    state           text not null,
    labels          text[] not null default '{}',
    author_login    text,
    url             text not null,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    closed_at       timestamptz,
    deleted_at      timestamptz,
    primary key (client_id, integration_id, id),
    foreign key (client_id, integration_id, repository_id) references core.github_repositories (client_id, integration_id, id)
);

create table core.jira_projects (
    client_id       integer not null,
    integration_id  bigint not null,
    id              bigint not null,
    key             text not null,
    name            text not null,
    url             text not null,
    deleted_at      timestamptz,
    primary key (client_id, integration_id, id),
    foreign key (client_id, integration_id) references core.integrations (client_id, id)
);

create table core.jira_statuses (
    client_id       integer not null,
    integration_id  bigint not null,
    id              text not null,
    name            text not null,
    category        text not null check (category in ('new', 'indeterminate', 'done', 'undefined')),
    primary key (client_id, integration_id, id),
    foreign key (client_id, integration_id) references core.integrations (client_id, id)
);

create table core.jira_issues (
    client_id        integer not null,
    integration_id   bigint not null,
    id               bigint not null,
    project_id       bigint not null,
    key              text not null,
    url              text not null,
    issue_type       text not null,
    summary          text not null,
    description      text not null default '',
    status           text not null,
    status_category  text not null,
    priority         text,
    resolution       text,
    labels           text[] not null default '{}',
    components       text[] not null default '{}',
    fix_versions     text[] not null default '{}',
    assignee         text,
    reporter         text,
    parent_key       text,
    story_points     numeric,
    custom_fields    jsonb not null default '{}',
    created_at       timestamptz not null,
    updated_at       timestamptz not null,
    resolution_at    timestamptz,
    deleted_at       timestamptz,
    primary key (client_id, integration_id, id),
    foreign key (client_id, integration_id, project_id) references core.jira_projects (client_id, integration_id, id)
);
create index jira_issues_key on core.jira_issues (client_id, integration_id, key);

create table core.jira_issue_changes (
    client_id       integer not null,
    integration_id  bigint not null,
    issue_id        bigint not null,
    history_id      bigint not null,
    item_index      integer not null,
    field           text not null,
    field_id        text,
    from_id         text,
    from_text       text,
    to_id           text,
    to_text         text,
    author          text,
    created_at      timestamptz not null,
    primary key (client_id, integration_id, issue_id, history_id, item_index),
    foreign key (client_id, integration_id, issue_id)
        references core.jira_issues (client_id, integration_id, id) on delete cascade
);
