-- The facts of the DORA model: services, changes, deployments, incidents, what links them, and the queue that says which
-- source records have moved. Ids are natural keys ('gh-pr:<integration>:<id>', …), so an incremental run and a full one
-- give the same rows.
--
-- The stage that computes the facts is their only writer. It has no foreign keys to what it has just written: each would
-- cost a look-up and a lock per row. Every index costs once at the primary and once more at the replica.

-- --------------------------------------------------------------------------------------------------------- the facts

create table core.services (
    client_id           integer not null references core.clients (id),
    id                  text not null,
    name                text not null,
    integration_id      bigint,
    repository_id       bigint,
    path_pattern        text,
    production_branch   text,
    deployment_pattern  text,
    primary key (client_id, id)
);
comment on column core.services.path_pattern is 'For a part of a monorepo: pattern of the files that belong to it.';
comment on column core.services.deployment_pattern is 'For a part of a monorepo: pattern of what deploys it.';

create table core.changes (
    client_id                integer not null,
    id                       text not null,
    service_id               text not null,
    integration_id           bigint not null,
    repository_id            bigint,
    pull_request_id          bigint,
    number                   integer,
    title                    text not null,
    url                      text,
    author                   text,
    is_bot                   boolean not null default false,
    is_revert                boolean not null default false,
    reverts_change_id        text,
    is_hotfix                boolean not null default false,
    first_commit_at          timestamptz,
    opened_at                timestamptz not null,
    first_review_at          timestamptz,
    approved_at              timestamptz,
    merged_at                timestamptz not null,
    merge_commit_sha         text,
    merge_position           bigint,
    additions                integer not null default 0,
    deletions                integer not null default 0,
    changed_files            integer not null default 0,
    commit_count             integer not null default 0,
    review_count             integer not null default 0,
    head_branch              text,
    merged_on                date,
    comment_count            integer not null default 0,
    changes_requested_count  integer not null default 0,
    reopened_count           integer not null default 0,
    is_reviewed              boolean not null default false,
    coding_hours             double precision,
    pickup_hours             double precision,
    review_hours             double precision,
    issue_keys               text[] not null default '{}',
    primary key (client_id, id)
);
comment on column core.changes.merged_on is 'Day of the merge in the client''s time zone.';
comment on column core.changes.is_reviewed is 'Somebody other than the author reviewed it before the merge.';
comment on column core.changes.issue_keys is 'The issues that title, branch and pull request name, in order.';
create index changes_merged on core.changes (client_id, merged_at);
create index changes_service_merged on core.changes (client_id, service_id, merged_on);
create index changes_position on core.changes (client_id, service_id, merge_position);
-- A change of a pull request is found by the pull request's number or commit, which have their index there.
create index changes_custom_url on core.changes (client_id, url) where pull_request_id is null;
create index changes_custom_sha on core.changes (client_id, merge_commit_sha) where pull_request_id is null;
create index changes_undone on core.changes (client_id, reverts_change_id) where reverts_change_id is not null;
-- Few changes are flagged: they are found without reading a client's whole history.
create index changes_flagged on core.changes (client_id, id) where is_hotfix or is_revert;

create table core.change_references (
    client_id  integer not null,
    change_id  text not null,
    issue_key  text not null,
    primary key (client_id, issue_key, change_id)
);
comment on table core.change_references is
    'One row per issue that a change names in its title or branch, or that its pull request closes: a Jira key (OPS-12), or '
    'a GitHub issue as owner/repository#12.';

create table core.deployments (
    client_id         integer not null,
    id                text not null,
    service_id        text not null,
    integration_id    bigint not null,
    environment       text not null,
    environment_tier  text not null check (environment_tier in ('production', 'other')),
    source            text not null check (source in ('deployment', 'workflow_run', 'release', 'merge', 'http_json')),
    result            text not null check (result in ('success', 'failure')),
    sha               text,
    position          bigint,
    ref_name          text,
    url               text,
    created_at        timestamptz not null,
    finished_at       timestamptz not null,
    is_baseline       boolean not null default false,
    is_rollback       boolean not null default false,
    rolled_back_by    text,
    is_rework         boolean not null default false,
    rework_reason     text,
    repository_id     bigint,
    finished_on       date,
    contains_after    bigint,
    failed_change     boolean not null default false,
    failure_reason    text,
    change_count      integer not null default 0,
    incident_keys     text,
    primary key (client_id, id)
) with (fillfactor = 50); -- flags come after the row: leave room to write them in place
comment on column core.deployments.finished_on is 'Day of the finish in the client''s time zone.';
comment on column core.deployments.contains_after is
    'Highest position that an earlier successful production deployment of the service to this environment contained; '
    'NULL for the baseline.';
comment on column core.deployments.failed_change is
    'A successful production deployment that an incident was linked to or that was rolled back at once.';
create index deployments_finished on core.deployments (client_id, environment_tier, finished_on);
create index deployments_service_finished on core.deployments (client_id, service_id, environment_tier, finished_on);
create index deployments_order on core.deployments (client_id, service_id, finished_at)
    where environment_tier = 'production' and result = 'success';
create index deployments_sha on core.deployments (client_id, sha text_pattern_ops);
create index deployments_url on core.deployments (client_id, url);
create index deployments_ref on core.deployments (client_id, ref_name);
create index deployments_latest on core.deployments (client_id, finished_at);

create table core.deployment_changes (
    client_id              integer not null,
    deployment_id          text not null,
    change_id              text not null,
    service_id             text,
    deployed_at            timestamptz,
    deployed_on            date,
    lead_time_hours        double precision,
    coding_hours           double precision,
    pickup_hours           double precision,
    review_hours           double precision,
    merge_to_deploy_hours  double precision,
    exclusion_reason       text,
    primary key (client_id, change_id)
);
comment on column core.deployment_changes.exclusion_reason is
    'Why the change does not count in the lead time: bot, no commits, negative duration.';
create index deployment_changes_deployment on core.deployment_changes (client_id, deployment_id);
create index deployment_changes_service on core.deployment_changes (client_id, service_id, deployed_on);
create index deployment_changes_negative on core.deployment_changes (client_id, deployed_at)
    where exclusion_reason = 'negative duration';
create index deployment_changes_latest on core.deployment_changes (client_id, deployed_at);

create table core.incidents (
    client_id              integer not null,
    id                     text not null,
    service_id             text,
    integration_id         bigint not null,
    source                 text not null check (source in ('jira', 'github', 'http_json')),
    key                    text not null,
    title                  text not null,
    url                    text,
    severity               text,
    created_at             timestamptz not null,
    resolved_at            timestamptz,
    resolved_on            date,
    time_to_restore_hours  double precision,
    is_external            boolean not null default false,
    primary key (client_id, id)
);
comment on column core.incidents.is_external is 'Marked as not caused by a change (external_labels of the incident rule).';
create index incidents_created on core.incidents (client_id, created_at);
create index incidents_service on core.incidents (client_id, service_id, created_at);
create index incidents_resolved on core.incidents (client_id, resolved_on);
create index incidents_service_resolved on core.incidents (client_id, service_id, resolved_on);

create table core.incident_references (
    client_id    integer not null,
    incident_id  text not null,
    kind         text not null check (kind in ('url', 'sha', 'linked', 'key', 'fix_version')),
    reference    text not null,
    primary key (client_id, incident_id, kind, reference)
);
comment on table core.incident_references is
    'One row per thing that an incident names: addresses and commits in its text, keys of linked issues, its fix versions. '
    'Of kind key: the key by which changes name the incident itself.';
create index incident_references_reference on core.incident_references (client_id, kind, reference);

create table core.incident_deployments (
    client_id       integer not null,
    incident_id     text not null,
    deployment_id   text not null,
    method          text not null check (method in ('explicit', 'fix_reverts', 'linked_issue', 'fix_version', 'time_window')),
    confidence      numeric(3, 2) not null check (confidence between 0 and 1),
    recovery_hours  double precision,
    primary key (client_id, incident_id)
);
create index incident_deployments_deployment on core.incident_deployments (client_id, deployment_id);

create table core.rework_evidence (
    client_id      integer not null,
    deployment_id  text not null,
    rule           text not null check (rule in ('rollback', 'hotfix', 'revert', 'incident')),
    evidence_id    text not null,
    evidence_text  text not null default '',
    evidence_url   text,
    primary key (client_id, deployment_id, rule, evidence_id)
);
comment on table core.rework_evidence is
    'One row per reason why a production deployment was unplanned: the deployment that it undid, or the change or incident '
    'that it repaired.';

-- ------------------------------------------------------------------------------------------------ time that is counted

create table core.client_calendar (
    client_id            integer not null references core.clients (id),
    day                  date not null,
    starts_at            timestamptz not null,
    is_working           boolean not null,
    worked_hours_before  double precision not null,
    worked_days_before   integer not null,
    primary key (client_id, day)
);
comment on table core.client_calendar is
    'One row per day of a client that counts working days (dora.working_calendar): when it starts, and how many working hours '
    'and days came before it.';
create index client_calendar_start on core.client_calendar (client_id, starts_at);

create function core.worked_hours(moment timestamptz) returns double precision
    language sql stable parallel safe
    as $$
    select worked_hours_before + case when is_working then extract(epoch from moment - starts_at)::double precision / 3600 else 0 end
    from core.client_calendar
    where client_id = (select core.etl_client_id()) and starts_at <= moment
    order by starts_at desc limit 1
$$;
comment on function core.worked_hours(timestamptz) is 'Working hours from the start of the client''s calendar to a moment.';

create function core.elapsed_hours(from_at timestamptz, to_at timestamptz, working boolean) returns double precision
    language sql stable parallel safe
    as $$
    select case
        when not to_at >= from_at then null
        when working then core.worked_hours(to_at) - core.worked_hours(from_at)
        else extract(epoch from to_at - from_at)::double precision / 3600
    end
$$;
comment on function core.elapsed_hours(timestamptz, timestamptz, boolean) is
    'Hours from one moment to another; NULL when negative or when either is missing. working: count only working days.';

create function core.hours_between(from_at timestamptz, to_at timestamptz) returns double precision
    language sql immutable parallel safe
    return case when to_at >= from_at then (extract(epoch from to_at) - extract(epoch from from_at))::double precision / 3600 end;
comment on function core.hours_between(timestamptz, timestamptz) is 'Hours from one moment to another; NULL when negative or when either is missing.';

create function core.search_pattern(pattern text) returns text
    language sql immutable parallel safe
    return regexp_replace(pattern, '(^|[^\\])((?:\\\\)*)\\b', '\1\2\\y', 'g');
comment on function core.search_pattern(text) is
    'An admin''s regular expression for PostgreSQL, whose word boundary is \y where most others have \b.';

create function core.search_pattern(patterns jsonb) returns text
    language sql immutable parallel safe
    return (select core.search_pattern(string_agg('(?:' || p || ')', '|')) from jsonb_array_elements_text(patterns) p);
comment on function core.search_pattern(jsonb) is
    'One regular expression that matches what any in an admin''s list matches; NULL for an empty list.';

-- --------------------------------------------------------------------------------------------------- what has moved

create table core.dora_queue (
    client_id       integer not null,
    id              bigint generated always as identity,
    fact            text not null,
    integration_id  bigint not null,
    key             text not null,
    primary key (client_id, id)
);
comment on table core.dora_queue is
    'One row per source record that was written since the last dora stage, which reads and empties the queue. Filled by '
    'triggers, so that no writer has to think of it.';

create function core.enqueue_dora() returns trigger
    language plpgsql set search_path = pg_catalog
    as $$
declare
    sources text := case tg_op when 'INSERT' then 'new_rows' when 'DELETE' then 'old_rows' end;
begin
    if sources is null then
        sources := format('(select * from new_rows union all select * from old_rows)');
    end if;
    execute format(
        'insert into core.dora_queue (client_id, fact, integration_id, key)'
        ' select distinct client_id, %L, integration_id, (%s)::text from %s r', tg_argv[0], tg_argv[1], sources);
    return null;
end $$;
comment on function core.enqueue_dora() is
    'Statement trigger: queues the written rows. Arguments: the kind of fact, and the expression for its key.';

do $$
declare
    source record;
begin
    for source in
        select * from (values
            ('github_pull_requests', 'pull_request', 'id'),
            ('github_pull_request_commits', 'pull_request_commits', 'pull_request_id'),
            ('github_pull_request_reviews', 'pull_request', 'pull_request_id'),
            ('github_pull_request_events', 'pull_request', 'pull_request_id'),
            ('github_pull_request_files', 'pull_request', 'pull_request_id'),
            ('github_commits', 'commit', 'repository_id || '':'' || sha'),
            ('github_deployments', 'deployment', 'id'),
            ('github_workflow_runs', 'workflow_run', 'id || '':'' || run_attempt'),
            ('github_releases', 'release', 'id'),
            ('github_issues', 'github_issue', 'id'),
            ('jira_issues', 'jira_issue', 'id'),
            ('jira_issue_changes', 'jira_issue', 'issue_id'),
            ('jira_issue_links', 'jira_issue', 'issue_id'),
            ('custom_deployments', 'custom_deployment', 'id'),
            ('custom_incidents', 'custom_incident', 'id'),
            ('custom_changes', 'custom_change', 'id')
        ) as t (name, fact, key)
    loop
        execute format($f$
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
