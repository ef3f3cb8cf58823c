-- Deployments of commits that are not on the default branch: where their branch began, and what it holds.
create table core.deployed_branches (
    client_id      integer not null,
    integration_id bigint  not null,
    repository_id  bigint  not null,
    sha            text    not null,
    base_sha       text,
    commit_count   integer not null default 0,
    primary key (client_id, integration_id, repository_id, sha),
    foreign key (client_id, integration_id, repository_id) references core.repositories (client_id, integration_id, id),
    constraint deployed_branches_sha_length check (octet_length(sha) <= 200)
);
comment on table core.deployed_branches is
    'One row per deployed commit that was not on the default branch: the commit of the default branch where its branch '
    'began (NULL: the forge does not know), and how many commits the branch had since then.';
create index deployed_branches_base on core.deployed_branches (client_id, integration_id, base_sha);

create table core.deployed_branch_commits (
    client_id      integer not null,
    integration_id bigint  not null,
    repository_id  bigint  not null,
    sha            text    not null,
    commit_sha     text    not null,
    authored_at    timestamptz,
    headline       text    not null default '',
    picked_from    text[]  not null default '{}',
    primary key (client_id, integration_id, repository_id, sha, commit_sha),
    foreign key (client_id, integration_id, repository_id, sha)
        references core.deployed_branches (client_id, integration_id, repository_id, sha) on delete cascade,
    constraint deployed_branch_commits_sha_length check (octet_length(commit_sha) <= 200)
);
comment on table core.deployed_branch_commits is
    'One row per commit of a deployed branch: the newest 300. picked_from: the commits that its message says it was picked from.';
create index deployed_branch_commits_authored
    on core.deployed_branch_commits (client_id, integration_id, repository_id, authored_at);

create table core.held_commits (
    client_id      integer not null,
    integration_id bigint  not null,
    repository_id  bigint  not null,
    sha            text    not null,
    commit_sha     text    not null,
    holds_sha      text    not null,
    primary key (client_id, integration_id, repository_id, sha, commit_sha, holds_sha)
);
comment on table core.held_commits is
    'One row per deployed commit (sha), commit of its branch (commit_sha), and commit whose change that one has (holds_sha).';
create index held_commits_holds on core.held_commits (client_id, integration_id, repository_id, holds_sha);
create index held_commits_commit on core.held_commits (client_id, integration_id, repository_id, commit_sha);

create table core.carried_pull_requests (
    client_id       integer not null,
    integration_id  bigint  not null,
    pull_request_id bigint  not null,
    carried_by      bigint  not null,
    came_first      boolean not null,
    primary key (client_id, integration_id, pull_request_id, carried_by)
);
comment on table core.carried_pull_requests is
    'One row per pull request that was merged into another branch, and pull request that has its merge commit. came_first: '
    'it was merged before that one was opened.';
create index carried_pull_requests_carrier on core.carried_pull_requests (client_id, integration_id, carried_by);

select core.protect_table(target::regclass, etl => true, staff => true, reader => true)
from unnest(array['core.deployed_branches', 'core.deployed_branch_commits', 'core.held_commits',
                  'core.carried_pull_requests']) target;

create trigger dora_insert after insert on core.deployed_branches referencing new table as new_rows
    for each statement execute function core.enqueue_dora('deployed_branch', 'repository_id || '':'' || sha');
create trigger dora_update after update on core.deployed_branches referencing old table as old_rows new table as new_rows
    for each statement execute function core.enqueue_dora('deployed_branch', 'repository_id || '':'' || sha');
create trigger dora_delete after delete on core.deployed_branches referencing old table as old_rows
    for each statement execute function core.enqueue_dora('deployed_branch', 'repository_id || '':'' || sha');
create trigger dora_insert after insert on core.deployed_branch_commits referencing new table as new_rows
    for each statement execute function core.enqueue_dora('deployed_branch', 'repository_id || '':'' || sha');
create trigger dora_update after update on core.deployed_branch_commits referencing old table as old_rows new table as new_rows
    for each statement execute function core.enqueue_dora('deployed_branch', 'repository_id || '':'' || sha');
create trigger dora_delete after delete on core.deployed_branch_commits referencing old table as old_rows
    for each statement execute function core.enqueue_dora('deployed_branch', 'repository_id || '':'' || sha');

alter table core.deployments
    add column contains_to bigint,
    add column branch_commits integer;
comment on column core.deployments.contains_to is
    'The highest position that it contains: its own; of a commit off the default branch, that where its branch began.';
comment on column core.deployments.branch_commits is
    'How many commits its branch had since then; 0 on the default branch.';

alter table core.changes
    add column merged_into text,
    add column carried_by text,
    add column carries_others boolean not null default false;
comment on column core.changes.merged_into is
    'The branch it was merged into, where that is not a production branch: it came to production with that branch.';
comment on column core.changes.carried_by is
    'The change whose pull request brought it to a production branch, where GitHub lists its merge commit there.';
comment on column core.changes.carries_others is
    'Its pull request was opened to bring others, merged before into its branch: these are the changes.';
comment on column core.deployment_changes.exclusion_reason is
    'Why the change does not count in the lead time: bot, no commits, negative duration, carries others.';

-- Few: what is asked of the forge in every run.
create index deployments_unplaced on core.deployments (client_id, service_id)
    where contains_to is null and environment_tier = 'production' and result = 'success' and source <> 'merge';

-- Published benchmarks: who published them, and the means of industries and sizes.
alter table core.benchmarks add column is_primary boolean not null default false;
comment on column core.benchmarks.is_primary is 'The source is the publisher itself, not somebody who quotes it.';

create table core.benchmark_means (
    metric_type     text not null,
    year            integer not null,
    population      text not null check (population in ('industry', 'size')),
    group_key       text not null,
    group_label     text not null,
    mean            double precision not null,
    deviation       double precision not null,
    published_mean  double precision not null,
    source          text not null,
    is_primary      boolean not null,
    primary key (metric_type, year, population, group_key)
);
comment on table core.benchmark_means is
    'One row per metric, year and industry or size of the DORA survey: mean and standard deviation of the answers, as scores '
    'from 0 to 10 (core.benchmark_scale), or as tenths of a ratio. published_mean: as the source writes it.';

create table core.benchmark_scale (
    metric_type  text not null,
    score        integer not null,
    label        text not null,
    lower_bound  double precision not null,
    upper_bound  double precision,
    primary key (metric_type, score)
);
comment on table core.benchmark_scale is
    'One row per answer that the DORA survey offers, with its score, and the values (lower_bound <= value < upper_bound) that it '
    'means.';
grant select on core.benchmark_means, core.benchmark_scale to pulse_etl, pulse_staff, pulse_reader;

-- A revert may be of another repository's pull request.
alter table core.pull_requests add column reverts_repository text;
comment on column core.pull_requests.reverts_repository is
    'The repository (owner/name, in lower case) whose pull request reverts_number is of, where the text names one.';
create index pull_requests_reverts_elsewhere on core.pull_requests (client_id, integration_id)
    where reverts_repository is not null;

-- Whose comments the first ones are: dora.bots decides whether they count. What is stored is read again, once.
alter table core.pull_requests
    add column commenters text[] not null default '{}',
    add column commented_at timestamptz[] not null default '{}';
comment on column core.pull_requests.commenters is
    'Who wrote its first comments, up to the first by a person; without the author and whom the forge calls a bot.';
comment on column core.pull_requests.commented_at is 'When, in the same order.';
delete from core.transform_watermarks where transform = 'normalise';
