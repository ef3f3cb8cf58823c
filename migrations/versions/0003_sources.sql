-- The same records as typed columns, made from raw by include/sql. A source's tables stand together.

-- ------------------------------------------------------------------------------------------------------------ GitHub

-- One row per repository.
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

-- One row per pull request.
create table core.github_pull_requests (
    client_id              integer not null,
    integration_id         bigint not null,
    id                     bigint not null,
    repository_id          bigint not null,
    number                 integer not null,
    title                  text not null,
    url                    text not null,
    state                  text not null check (state in ('open', 'closed', 'merged')),
    author_login           text,
    author_is_bot          boolean not null default false,
    is_draft               boolean not null default false,
    base_branch            text not null,
    head_branch            text not null,
    created_at             timestamptz not null,
    updated_at             timestamptz not null,
    ready_at               timestamptz,
    first_authored_at      timestamptz,
    first_committed_at     timestamptz,
    first_review_at        timestamptz,
    approved_at            timestamptz,
    merged_at              timestamptz,
    closed_at              timestamptz,
    merge_commit_sha       text,
    additions              integer not null default 0,
    deletions              integer not null default 0,
    changed_files          integer not null default 0,
    commit_count           integer not null default 0,
    review_count           integer not null default 0,
    comment_count          integer not null default 0,
    labels                 text[] not null default '{}',
    reverts_number         integer,
    closing_issue_numbers  integer[] not null default '{}',
    deleted_at             timestamptz,
    reverts_sha            text,
    primary key (client_id, integration_id, id),
    foreign key (client_id, integration_id, repository_id) references core.github_repositories (client_id, integration_id, id)
);
comment on column core.github_pull_requests.reverts_sha is 'The commit that it reverts, as its text says (git revert); NULL when there is none.';

-- client_id and integration_id say nothing more than repository_id, which the planner cannot know: where two indexes begin
-- with the same three columns, it takes either for the fourth. So the column that tells rows apart comes first here, and in
-- the indexes on sha below.
create index github_pull_requests_merge on core.github_pull_requests
    (client_id, integration_id, merge_commit_sha, repository_id);
create index github_pull_requests_number on core.github_pull_requests (client_id, integration_id, number, repository_id);
create index github_pull_requests_reverts on core.github_pull_requests
    (client_id, integration_id, reverts_number, repository_id) where reverts_number is not null;
create index github_pull_requests_reverts_sha on core.github_pull_requests
    (client_id, integration_id, reverts_sha, repository_id) where reverts_sha is not null;
create index github_pull_requests_updated on core.github_pull_requests (client_id, integration_id, updated_at);

-- One row per commit of a pull request.
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

-- An incident's text may name any commit of a pull request.
create index github_pull_request_commits_sha on core.github_pull_request_commits (client_id, integration_id, sha);

-- One row per review of a pull request.
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

-- One row per event of a pull request: ready for review, reopened, and the like.
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
    'One row per file that a pull request changes. Only filled for clients that map services to paths of a monorepo.';

-- One row per commit of the default branch's history. position orders the first-parent chain (newer is greater; only the
-- order means anything). A commit off the chain has the position of the chain commit that brought it in.
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
create index github_commits_position on core.github_commits (client_id, integration_id, repository_id, position)
    where position is not null;

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
comment on table core.github_tags is 'One row per tag of a repository: the commit it names and, for an annotated tag, when it was made.';

-- One row per deployment.
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
create index github_deployments_sha on core.github_deployments (client_id, integration_id, sha, repository_id);
create index github_deployments_updated on core.github_deployments (client_id, integration_id, updated_at);

-- One row per status that a deployment had.
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

-- One row per attempt of a workflow run.
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
create index github_workflow_runs_sha on core.github_workflow_runs (client_id, integration_id, head_sha, repository_id);

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
comment on table core.github_workflow_jobs is 'One row per job of an attempt of a workflow run.';
create index github_workflow_jobs_run on core.github_workflow_jobs (client_id, integration_id, run_id, run_attempt);

-- One row per release.
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
create index github_releases_sha on core.github_releases (client_id, integration_id, sha, repository_id);

-- One row per issue.
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

-- -------------------------------------------------------------------------------------------------------------- Jira

-- One row per project.
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

-- One row per status of a site.
create table core.jira_statuses (
    client_id       integer not null,
    integration_id  bigint not null,
    id              text not null,
    name            text not null,
    category        text not null check (category in ('new', 'indeterminate', 'done', 'undefined')),
    primary key (client_id, integration_id, id),
    foreign key (client_id, integration_id) references core.integrations (client_id, id)
);

-- One row per issue.
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
create index jira_issues_updated on core.jira_issues (client_id, integration_id, updated_at);

-- One row per field that an entry of an issue's history changed.
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
comment on table core.jira_issue_links is 'One row per link from an issue to another.';

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
comment on table core.jira_boards is 'One row per agile board.';

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
comment on table core.jira_sprints is 'One row per sprint of a scrum board.';

-- ---------------------------------------------------------------------------------------------- custom sources (http_json)
-- The rows of raw.http_json_records, by the entity that the admin declared.
-- service_key is a column because lower() is not leak-proof: row-level security never uses an index on it.

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
    service_key     text not null generated always as (lower(service)) stored,
    primary key (client_id, integration_id, id),
    foreign key (client_id, integration_id) references core.integrations (client_id, id)
);
comment on table core.custom_deployments is 'One row per finished deployment of a custom source.';
comment on column core.custom_deployments.service_key is 'The service in lower case, for look-ups.';
create index custom_deployments_sha on core.custom_deployments (client_id, sha);
create index custom_deployments_service on core.custom_deployments (client_id, service_key, service) where deleted_at is null;

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
    service_key     text not null generated always as (lower(service)) stored,
    primary key (client_id, integration_id, id),
    foreign key (client_id, integration_id) references core.integrations (client_id, id)
);
comment on table core.custom_incidents is 'One row per incident of a custom source.';
comment on column core.custom_incidents.service_key is 'The service in lower case, for look-ups.';
create index custom_incidents_service on core.custom_incidents (client_id, service_key, service) where deleted_at is null;

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
    service_key      text not null generated always as (lower(service)) stored,
    first_review_at  timestamptz,
    approved_at      timestamptz,
    primary key (client_id, integration_id, id),
    foreign key (client_id, integration_id) references core.integrations (client_id, id)
);
comment on table core.custom_changes is 'One row per merged change of a custom source.';
comment on column core.custom_changes.service_key is 'The service in lower case, for look-ups.';
comment on column core.custom_changes.first_review_at is 'First review by a person other than the author; NULL when the source has none.';
comment on column core.custom_changes.approved_at is 'First approval; NULL when the source has none.';
create index custom_changes_sha on core.custom_changes (client_id, merge_sha);
create index custom_changes_service on core.custom_changes (client_id, service_key, service) where deleted_at is null;
