-- The tables between the sources and the facts bear no source's name: a forge's repositories, pull requests and commits, a
-- tracker's issues, and what is reported without either. The names of before are views (include/sql/core), which can be
-- written to as well.

alter table core.github_repositories rename to repositories;
alter table core.github_pull_requests rename to pull_requests;
alter table core.github_pull_request_commits rename to pull_request_commits;
alter table core.github_pull_request_reviews rename to reviews;
alter table core.github_pull_request_events rename to pull_request_events;
alter table core.github_pull_request_files rename to pull_request_files;
alter table core.github_commits rename to commits;
alter table core.jira_projects rename to projects;
alter table core.jira_statuses rename to issue_statuses;
alter table core.jira_issues rename to issues;
alter table core.jira_issue_changes rename to issue_changes;
alter table core.jira_issue_links rename to issue_links;
alter table core.jira_boards rename to boards;
alter table core.jira_sprints rename to sprints;
alter table core.custom_deployments rename to reported_deployments;

do $$
declare
    old record;
begin
    for old in
        select c.conrelid::regclass as target, c.conname as name, t.relname || substr(c.conname, length(r.before) + 1) as new
        from (values
            ('github_repositories', 'repositories'), ('github_pull_requests', 'pull_requests'),
            ('github_pull_request_commits', 'pull_request_commits'), ('github_pull_request_reviews', 'reviews'),
            ('github_pull_request_events', 'pull_request_events'), ('github_pull_request_files', 'pull_request_files'),
            ('github_commits', 'commits'), ('jira_projects', 'projects'), ('jira_statuses', 'issue_statuses'),
            ('jira_issues', 'issues'), ('jira_issue_changes', 'issue_changes'), ('jira_issue_links', 'issue_links'),
            ('jira_boards', 'boards'), ('jira_sprints', 'sprints'), ('custom_deployments', 'reported_deployments')
        ) as r (before, after)
        join pg_class t on t.relname = r.after and t.relnamespace = 'core'::regnamespace
        join pg_constraint c on c.conrelid = t.oid and starts_with(c.conname, r.before)
    loop
        execute format('alter table %s rename constraint %I to %I', old.target, old.name, old.new);
    end loop;
end $$;
alter index core.github_pull_requests_merge rename to pull_requests_merge;
alter index core.github_pull_requests_number rename to pull_requests_number;
alter index core.github_pull_requests_reverts rename to pull_requests_reverts;
alter index core.github_pull_requests_reverts_sha rename to pull_requests_reverts_sha;
alter index core.github_pull_requests_updated rename to pull_requests_updated;
alter index core.github_pull_request_commits_sha rename to pull_request_commits_sha;
alter index core.github_commits_position rename to commits_position;
alter index core.jira_issues_key rename to issues_key;
alter index core.jira_issues_updated rename to issues_updated;
alter index core.custom_deployments_sha rename to reported_deployments_sha;
alter index core.custom_deployments_service rename to reported_deployments_service;

-- The ids of records whose source has no numbers of its own.
create sequence core.record_ids;
grant usage on sequence core.record_ids to pulse_etl;

-- -------------------------------------------------------------------------------------------------------- pull requests

alter table core.repositories alter column node_id drop not null;
alter table core.pull_requests
    alter column id set default nextval('core.record_ids'),
    alter column repository_id drop not null,
    alter column number drop not null,
    alter column url drop not null,
    alter column state set default 'merged',
    alter column base_branch drop not null,
    alter column head_branch drop not null,
    alter column updated_at drop not null,
    add column external_id text,
    add column service_name text,
    add column service_key text generated always as (lower(service_name)) stored,
    add constraint pull_requests_external_id unique (client_id, integration_id, external_id),
    add constraint pull_requests_place check (num_nonnulls(repository_id, external_id) >= 1);
comment on column core.pull_requests.external_id is 'Its id at a source without repositories; NULL elsewhere.';
comment on column core.pull_requests.service_name is 'The service that it names, where it has no repository.';
comment on column core.pull_requests.service_key is 'The service in lower case, for look-ups.';
create index pull_requests_without_repository on core.pull_requests (client_id, merge_commit_sha) where repository_id is null;
create index pull_requests_service on core.pull_requests (client_id, service_key, service_name)
    where service_key is not null;

-- --------------------------------------------------------------------------------------------------------------- issues

alter table core.issues
    alter column id set default nextval('core.record_ids'),
    alter column project_id drop not null,
    alter column key drop not null,
    alter column url drop not null,
    alter column issue_type drop not null,
    alter column status drop not null,
    alter column status_category drop not null,
    alter column updated_at drop not null,
    add column repository_id bigint,
    add column number integer,
    add column external_id text,
    add column service_name text,
    add column service_key text generated always as (lower(service_name)) stored,
    add constraint issues_external_id unique (client_id, integration_id, external_id),
    add constraint issues_place check (num_nonnulls(project_id, repository_id, external_id) >= 1),
    add foreign key (client_id, integration_id, repository_id) references core.repositories (client_id, integration_id, id);
comment on column core.issues.project_id is 'The project of the tracker that it is in; NULL elsewhere.';
comment on column core.issues.repository_id is 'The repository of the forge that it is in; NULL elsewhere.';
comment on column core.issues.number is 'Its number in the repository.';
comment on column core.issues.external_id is 'Its id at a source that reports incidents, and has no numbers for ids; NULL elsewhere.';
comment on column core.issues.service_name is 'The service that it names, if its source has a field for that.';
comment on column core.issues.service_key is 'The service in lower case, for look-ups.';
create index issues_service on core.issues (client_id, service_key, service_name)
    where service_key is not null;

-- ---------------------------------------------------------------------------------------------------------- deployments

create function core.merge_of(change_id text) returns text
    language sql immutable parallel safe
    return case when change_id ~ '^[a-z0-9_]+-(pr|commit):' then regexp_replace(change_id, '-(pr|commit):', '-merge:') end;
comment on function core.merge_of(text) is
    'The id of the deployment that a change''s merge is, where merges are deployments; NULL for a change without a repository.';
revoke execute on function core.merge_of(text) from public;
grant execute on function core.merge_of(text) to pulse_etl;

-- Any type of integration may report them.
alter table core.deployments drop constraint deployments_source_check;
alter table core.incidents drop constraint incidents_source_check;

alter table core.reported_deployments
    add column record bigint not null generated always as (hashtextextended(id, 0)) stored;
comment on table core.reported_deployments is 'One row per ended deployment of a source that reports them with the service.';
comment on column core.reported_deployments.record is 'A number for the id, by which core.deployment_records is looked up.';
create index reported_deployments_record on core.reported_deployments (client_id, integration_id, record);

-- ------------------------------------------------------------------------------------------------------------- the queue
-- A key is a number; with = before it, it is the id at a source that has no numbers; with #, an issue of a repository.

do $$
declare
    source record;
begin
    for source in
        select * from (values
            ('pull_requests', 'pull_request', 'coalesce(''='' || external_id, id::text)'),
            ('issues', 'issue', 'coalesce(''='' || external_id, case when repository_id is null then '''' else ''#'' end || id)'),
            ('issue_changes', 'issue', 'issue_id'),
            ('issue_links', 'issue', 'issue_id'),
            ('reported_deployments', 'reported_deployment', '''='' || id')
        ) as t (name, fact, key)
    loop
        execute format($f$
            drop trigger if exists dora_insert on core.%1$I;
            drop trigger if exists dora_update on core.%1$I;
            drop trigger if exists dora_delete on core.%1$I;
            create trigger dora_insert after insert on core.%1$I
                referencing new table as new_rows
                for each statement execute function core.enqueue_dora(%2$L, %3$L);
            create trigger dora_update after update on core.%1$I
                referencing old table as old_rows new table as new_rows
                for each statement execute function core.enqueue_dora(%2$L, %3$L);
            create trigger dora_delete after delete on core.%1$I
                referencing old table as old_rows
                for each statement execute function core.enqueue_dora(%2$L, %3$L);
        $f$, source.name, source.fact, source.key);
    end loop;
end $$;

-- ------------------------------------------------------------------------------------------------------ what was there

insert into core.pull_requests (
    client_id, integration_id, external_id, service_name, title, author_login, url, first_authored_at, created_at,
    first_review_at, approved_at, merged_at, merge_commit_sha, deleted_at)
select client_id, integration_id, id, service, title, author, url, first_commit_at, opened_at, first_review_at,
       approved_at, merged_at, merge_sha, deleted_at
from core.custom_changes;
drop table core.custom_changes;

insert into core.issues (
    client_id, integration_id, id, repository_id, number, summary, description, status, labels, reporter, url, created_at,
    updated_at, resolution_at, deleted_at)
select client_id, integration_id, id, repository_id, number, title, body, state, labels, author_login, url, created_at,
       updated_at, closed_at, deleted_at
from core.github_issues;
drop table core.github_issues;

insert into core.issues (
    client_id, integration_id, external_id, key, summary, description, service_name, priority, url, created_at, resolution_at,
    deleted_at)
select client_id, integration_id, id, key, title, description, service, severity, url, created_at, resolved_at, deleted_at
from core.custom_incidents;
drop table core.custom_incidents;

update core.dora_queue q set fact = t.now, key = t.prefix || q.key
from (values
    ('custom_change', 'pull_request', '='), ('custom_incident', 'issue', '='), ('github_issue', 'issue', '#'),
    ('jira_issue', 'issue', ''), ('custom_deployment', 'reported_deployment', '=')
) as t (before, now, prefix)
where q.fact = t.before;
