-- Statements
-- core.jira_projects, core.jira_statuses, core.jira_issues, core.jira_issue_changes, from what was loaded since the
-- last run.
with typed as (
    select r.integration_id, (r.payload ->> 'id')::bigint as id, r.payload ->> 'key' as key,
           coalesce(r.payload ->> 'name', r.payload ->> 'key') as name,
           i.base_url || '/browse/' || (r.payload ->> 'key') as url, r.deleted_at
    from raw.jira_projects r
    join core.integrations i on (i.client_id, i.id) = (r.client_id, r.integration_id)
    where r.client_id = (select core.etl_client_id())
)
insert into core.jira_projects as t (client_id, integration_id, id, key, name, url, deleted_at)
select core.etl_client_id(), typed.* from typed
on conflict (client_id, integration_id, id) do update set
    key = excluded.key, name = excluded.name, url = excluded.url, deleted_at = excluded.deleted_at
where t is distinct from excluded;

insert into core.jira_statuses as t (client_id, integration_id, id, name, category)
select r.client_id, r.integration_id, r.payload ->> 'id', r.payload ->> 'name',
       case when r.payload -> 'statusCategory' ->> 'key' in ('new', 'indeterminate', 'done')
            then r.payload -> 'statusCategory' ->> 'key' else 'undefined' end
from raw.jira_statuses r
where r.client_id = (select core.etl_client_id())
on conflict (client_id, integration_id, id) do update set name = excluded.name, category = excluded.category
where t is distinct from excluded;

with typed as (
    select
        r.integration_id,
        (r.payload ->> 'id')::bigint as id,
        (f -> 'project' ->> 'id')::bigint as project_id,
        r.payload ->> 'key' as key,
        i.base_url || '/browse/' || (r.payload ->> 'key') as url,
        coalesce(f -> 'issuetype' ->> 'name', '') as issue_type,
        coalesce(f ->> 'summary', '') as summary,
        coalesce(f ->> 'description', '') as description,
        coalesce(f -> 'status' ->> 'name', '') as status,
        coalesce(f -> 'status' -> 'statusCategory' ->> 'key', 'undefined') as status_category,
        f -> 'priority' ->> 'name' as priority,
        f -> 'resolution' ->> 'name' as resolution,
        array(select jsonb_array_elements_text(coalesce(nullif(f -> 'labels', 'null'), '[]')) order by 1) as labels,
        array(select c ->> 'name' from jsonb_array_elements(coalesce(nullif(f -> 'components', 'null'), '[]')) c order by 1)
            as components,
        array(select v ->> 'name' from jsonb_array_elements(coalesce(nullif(f -> 'fixVersions', 'null'), '[]')) v order by 1)
            as fix_versions,
        coalesce(f -> 'assignee' ->> 'displayName', f -> 'assignee' ->> 'accountId', f -> 'assignee' ->> 'name') as assignee,
        coalesce(f -> 'reporter' ->> 'displayName', f -> 'reporter' ->> 'accountId', f -> 'reporter' ->> 'name') as reporter,
        coalesce(f -> 'parent' ->> 'key', f ->> '_epic_link') as parent_key,
        case when f ->> '_story_points' ~ '^-?[0-9]+(\.[0-9]+)?$' then (f ->> '_story_points')::numeric end as story_points,
        -- The fields that the client named, and ours, which have the last word on their names.
        coalesce(f -> '_custom', '{}') || jsonb_strip_nulls(jsonb_build_object(
            'issuelinks', coalesce(nullif(f -> 'issuelinks', 'null'), '[]'), 'sprints', f -> '_sprints',
            'development', f -> '_development')) as custom_fields,
        (f ->> 'created')::timestamptz as created_at,
        (f ->> 'updated')::timestamptz as updated_at,
        (f ->> 'resolutiondate')::timestamptz as resolution_at,
        r.deleted_at
    from raw.jira_issues r
    join core.integrations i on (i.client_id, i.id) = (r.client_id, r.integration_id)
    cross join lateral (select r.payload -> 'fields' as f) fields
    where r.client_id = (select core.etl_client_id())
      and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
      and exists (
          select from core.jira_projects p
          where (p.client_id, p.integration_id, p.id) = (r.client_id, r.integration_id, (f -> 'project' ->> 'id')::bigint))
)
insert into core.jira_issues as t
    (client_id, integration_id, id, project_id, key, url, issue_type, summary, description, status, status_category,
     priority, resolution, labels, components, fix_versions, assignee, reporter, parent_key, story_points,
     custom_fields, created_at, updated_at, resolution_at, deleted_at)
select core.etl_client_id(), typed.* from typed
on conflict (client_id, integration_id, id) do update set
    project_id = excluded.project_id, key = excluded.key, url = excluded.url, issue_type = excluded.issue_type,
    summary = excluded.summary, description = excluded.description, status = excluded.status,
    status_category = excluded.status_category, priority = excluded.priority, resolution = excluded.resolution,
    labels = excluded.labels, components = excluded.components, fix_versions = excluded.fix_versions,
    assignee = excluded.assignee, reporter = excluded.reporter, parent_key = excluded.parent_key,
    story_points = excluded.story_points, custom_fields = excluded.custom_fields, created_at = excluded.created_at,
    updated_at = excluded.updated_at, resolution_at = excluded.resolution_at, deleted_at = excluded.deleted_at
where t is distinct from excluded;

-- The changes that were loaded since the last run; and those that waited for their issue, which had been rejected and is
-- loaded only now.
with late as materialized (
    select distinct r.integration_id, r.scope_key, r.record_id
    from raw.jira_issues r
    join raw.rejects x
      on (x.client_id, x.integration_id, x.record_id) = (r.client_id, r.integration_id, r.record_id)
     and x.entity = 'jira_issues' and x.replayed_at is not null
    where r.client_id = (select core.etl_client_id())
      and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
), loaded as (
    select r.integration_id, r.payload
    from raw.jira_changelogs r
    where r.client_id = (select core.etl_client_id())
      and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
    union all
    select r.integration_id, r.payload
    from late
    join raw.jira_changelogs r
      on (r.integration_id, r.scope_key, r.payload ->> 'issueId') = (late.integration_id, late.scope_key, late.record_id)
    where r.client_id = (select core.etl_client_id())
      and r.loaded_xid < current_setting('pulse.normalise_from')::xid8
), typed as (
    select
        r.integration_id,
        (r.payload ->> 'issueId')::bigint as issue_id,
        (r.payload ->> 'id')::bigint as history_id,
        (item.ordinality - 1)::integer as item_index,
        coalesce(item.value ->> 'field', '') as field,
        item.value ->> 'fieldId' as field_id,
        item.value ->> 'from' as from_id,
        item.value ->> 'fromString' as from_text,
        item.value ->> 'to' as to_id,
        item.value ->> 'toString' as to_text,
        coalesce(r.payload -> 'author' ->> 'displayName', r.payload -> 'author' ->> 'accountId',
                 r.payload -> 'author' ->> 'name') as author,
        case when r.payload ->> 'created' ~ '^[0-9]+$'
            then to_timestamp((r.payload ->> 'created')::numeric
                 / case when length(r.payload ->> 'created') > 11 then 1000 else 1 end)
            else (r.payload ->> 'created')::timestamptz end as created_at
    from loaded r
    cross join jsonb_array_elements(r.payload -> 'items') with ordinality item
    where exists (
        select from core.jira_issues j
        where (j.client_id, j.integration_id, j.id)
            = ((select core.etl_client_id()), r.integration_id, (r.payload ->> 'issueId')::bigint))
)
insert into core.jira_issue_changes as t
    (client_id, integration_id, issue_id, history_id, item_index, field, field_id, from_id, from_text, to_id, to_text,
     author, created_at)
select core.etl_client_id(), typed.* from typed
on conflict (client_id, integration_id, issue_id, history_id, item_index) do update set
    field = excluded.field, field_id = excluded.field_id, from_id = excluded.from_id, from_text = excluded.from_text,
    to_id = excluded.to_id, to_text = excluded.to_text, author = excluded.author, created_at = excluded.created_at
where t is distinct from excluded;
