-- Table core.issues: the issues loaded since the last run, from raw.jira_issues.
-- Grain: one row per issue.
-- custom_fields holds the fields that the client named, and issuelinks, sprints and development, which are always ours.
select
    r.integration_id,
    (r.payload ->> 'id')::bigint as id,
    p.id as project_id,
    r.payload ->> 'key' as key,
    i.base_url || '/browse/' || (r.payload ->> 'key') as url,
    coalesce(f -> 'issuetype' ->> 'name', '') as issue_type,
    coalesce(f ->> 'summary', '') as summary,
    coalesce(f ->> 'description', '') as description,
    coalesce(f -> 'status' ->> 'name', '') as status,
    coalesce(f -> 'status' -> 'statusCategory' ->> 'key', 'undefined') as status_category,
    f -> 'priority' ->> 'name' as priority,
    f -> 'resolution' ->> 'name' as resolution,
    array(select jsonb_array_elements_text(nullif(f -> 'labels', 'null')) order by 1) as labels,
    array(select c ->> 'name' from jsonb_array_elements(nullif(f -> 'components', 'null')) c order by 1) as components,
    array(select v ->> 'name' from jsonb_array_elements(nullif(f -> 'fixVersions', 'null')) v order by 1)
        as fix_versions,
    coalesce(f -> 'assignee' ->> 'displayName', f -> 'assignee' ->> 'accountId', f -> 'assignee' ->> 'name') as assignee,
    coalesce(f -> 'reporter' ->> 'displayName', f -> 'reporter' ->> 'accountId', f -> 'reporter' ->> 'name') as reporter,
    coalesce(f -> 'parent' ->> 'key', f ->> '_epic_link') as parent_key,
    case when f ->> '_story_points' ~ '^-?[0-9]{1,12}(\.[0-9]{1,12})?$' then (f ->> '_story_points')::numeric end as story_points,
    coalesce(f -> '_custom', '{}') || jsonb_strip_nulls(jsonb_build_object(
        'issuelinks', coalesce(nullif(f -> 'issuelinks', 'null'), '[]'),
        'sprints', f -> '_sprints',
        'development', f -> '_development')) as custom_fields,
    (f ->> 'created')::timestamptz as created_at,
    (f ->> 'updated')::timestamptz as updated_at,
    (f ->> 'resolutiondate')::timestamptz as resolution_at,
    r.deleted_at
from raw.jira_issues r
join core.integrations i on i.id = r.integration_id
cross join lateral (select r.payload -> 'fields' as f) fields
join core.projects p on (p.integration_id, p.id) = (r.integration_id, (f -> 'project' ->> 'id')::bigint)
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
