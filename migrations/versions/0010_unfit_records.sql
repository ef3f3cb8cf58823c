-- A record that can be stored but not typed is a reject, too.
alter table raw.rejects add column is_stored_form boolean not null default false;
comment on column raw.rejects.is_stored_form is
    'Whether the payload is the form in which raw tables hold it: the record was stored, and normalise could not type it.';

-- What enters an index has to fit into it: longer values make their record a reject here, and stop nothing later.
do $$
declare
    bounded record;
begin
    for bounded in
        select * from (values
            ('repositories', 'full_name', 500), ('repositories', 'default_branch', 1000), ('repositories', 'url', 1000),
            ('pull_requests', 'url', 2000), ('pull_requests', 'merge_commit_sha', 200),
            ('pull_requests', 'external_id', 600), ('pull_requests', 'service_name', 400),
            ('pull_request_commits', 'sha', 200), ('commits', 'sha', 200),
            ('issues', 'key', 400), ('issues', 'url', 2000), ('issues', 'external_id', 600), ('issues', 'service_name', 400),
            ('issue_statuses', 'id', 400), ('issue_statuses', 'name', 1000),
            ('projects', 'key', 400),
            ('github_deployments', 'environment', 1000), ('github_deployments', 'sha', 200),
            ('github_deployments', 'ref_name', 1000), ('github_deployments', 'url', 2000),
            ('github_workflow_runs', 'head_branch', 1000), ('github_workflow_runs', 'head_sha', 200),
            ('github_workflow_runs', 'url', 2000),
            ('github_releases', 'tag_name', 1000), ('github_releases', 'sha', 200), ('github_releases', 'url', 2000),
            ('reported_deployments', 'id', 600), ('reported_deployments', 'service', 400),
            ('reported_deployments', 'environment', 1000), ('reported_deployments', 'sha', 200),
            ('reported_deployments', 'ref_name', 1000), ('reported_deployments', 'url', 2000)
        ) as t (name, field, bytes)
    loop
        execute format('alter table core.%1$I add constraint %2$I check (octet_length(%3$I) <= %4$s) not valid',
                       bounded.name, bounded.name || '_' || bounded.field || '_length', bounded.field, bounded.bytes);
    end loop;
end $$;

-- A time that no record can have would make periods without end. The first commits of some tools are dated 1970.
do $$
declare
    column_of record;
begin
    for column_of in
        select c.relname as name, a.attname as field
        from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.atttypid = 'timestamptz'::regtype and not a.attisdropped
        where c.relnamespace = 'core'::regnamespace and c.relkind = 'r' and a.attname <> 'deleted_at'
          and c.relname in (
              'repositories', 'pull_requests', 'pull_request_commits', 'reviews', 'pull_request_events', 'commits',
              'issues', 'issue_changes', 'sprints', 'github_tags', 'github_deployments', 'github_deployment_statuses',
              'github_workflow_runs', 'github_workflow_jobs', 'github_releases', 'reported_deployments')
        order by 1, 2
    loop
        execute format($f$alter table core.%1$I add constraint %2$I check (%3$I between '1969-12-31' and '2200-01-01') not valid$f$,
                       column_of.name, column_of.name || '_' || column_of.field || '_time', column_of.field);
    end loop;
end $$;

-- The walk over a repository's merges (github_commit_sides.sql) has rows without a commit of its own.
alter table core.commits add constraint commits_parents_named check (array_position(parent_shas, null) is null) not valid;
