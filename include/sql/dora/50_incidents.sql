-- core.incidents: one row an issue (Jira, GitHub) that matches the client's rule (setting dora.incident_rule), and one an
-- incident of a custom source, which is declared for them.
-- resolved_at is the first entry into a done status after the last reopening.
with rule as materialized (
    select
        coalesce(r ->> 'source', 'jira') as source,
        array(select lower(x) from jsonb_array_elements_text(coalesce(r -> 'issue_types', '[]')) x) as issue_types,
        array(select lower(x) from jsonb_array_elements_text(coalesce(r -> 'labels', '[]')) x) as labels,
        array(select lower(x) from jsonb_array_elements_text(coalesce(r -> 'priorities', '[]')) x) as priorities
    from core.setting('dora.incident_rule', '{"source": "jira", "issue_types": ["Incident"], "labels": ["incident"]}') r
), jira as (
    select j.*
    from core.jira_issues j, rule
    where rule.source in ('jira', 'both') and j.client_id = (select core.etl_client_id()) and j.deleted_at is null
      and (lower(j.issue_type) = any (rule.issue_types) or lower(j.priority) = any (rule.priorities)
           or exists (select from unnest(j.labels) l where lower(l) = any (rule.labels)))
), moves as (
    select c.integration_id, c.issue_id, c.created_at, c.history_id, c.item_index,
           coalesce(into_status.category = 'done', false) as into_done,
           coalesce(from_status.category = 'done', false) as out_of_done
    from core.jira_issue_changes c
    join jira j on (j.client_id, j.integration_id, j.id) = (c.client_id, c.integration_id, c.issue_id)
    left join core.jira_statuses into_status
      on (into_status.client_id, into_status.integration_id, into_status.id) = (c.client_id, c.integration_id, c.to_id)
    left join core.jira_statuses from_status
      on (from_status.client_id, from_status.integration_id, from_status.id) = (c.client_id, c.integration_id, c.from_id)
    where c.client_id = (select core.etl_client_id()) and c.field = 'status'
), reopened as (
    select integration_id, issue_id, max(created_at) as last_reopened_at
    from moves where out_of_done and not into_done group by 1, 2
), resolved as (
    select m.integration_id, m.issue_id, min(m.created_at) as resolved_at
    from moves m
    left join reopened r using (integration_id, issue_id)
    where m.into_done and not m.out_of_done and (r.last_reopened_at is null or m.created_at > r.last_reopened_at)
    group by 1, 2
), found as (
    select j.client_id, 'jira:' || j.integration_id || ':' || j.id as id, j.integration_id, 'jira' as source, j.key,
           j.summary as title, j.url, j.priority as severity, j.created_at,
           case when j.status_category = 'done' then coalesce(d.resolved_at, j.resolution_at) end as resolved_at,
           array(select lower(x) from unnest(j.components || j.labels) x) as service_names, null::bigint as repository_id
    from jira j
    left join resolved d on (d.integration_id, d.issue_id) = (j.integration_id, j.id)
    union all
    select g.client_id, 'gh-issue:' || g.integration_id || ':' || g.id, g.integration_id, 'github', '#' || g.number,
           g.title, g.url, null, g.created_at, g.closed_at, array(select lower(x) from unnest(g.labels) x),
           g.repository_id
    from core.github_issues g, rule
    where rule.source in ('github', 'both') and g.client_id = (select core.etl_client_id()) and g.deleted_at is null
      and exists (select from unnest(g.labels) l where lower(l) = any (rule.labels))
    union all
    select x.client_id, 'custom:' || x.integration_id || ':' || x.id, x.integration_id, 'http_json', x.key, x.title, x.url,
           x.severity, x.created_at, x.resolved_at, array[lower(x.service)], null
    from core.custom_incidents x
    where x.client_id = (select core.etl_client_id()) and x.deleted_at is null
), wanted as (
    select f.client_id, f.id,
           coalesce(
               (select s.id from core.services s
                where s.client_id = f.client_id and s.repository_id = f.repository_id
                  and s.integration_id = f.integration_id),
               (select min(s.id) from core.services s
                where s.client_id = f.client_id and lower(s.name) = any (f.service_names))) as service_id,
           f.integration_id, f.source, f.key, f.title, f.url, f.severity, f.created_at, f.resolved_at
    from found f
)
merge into core.incidents as t
using wanted as s on (t.client_id, t.id) = (s.client_id, s.id)
when matched and row(t.*) is distinct from row(s.*) then update set
    service_id = s.service_id, integration_id = s.integration_id, source = s.source, key = s.key, title = s.title,
    url = s.url, severity = s.severity, created_at = s.created_at, resolved_at = s.resolved_at
when not matched then insert values (
    s.client_id, s.id, s.service_id, s.integration_id, s.source, s.key, s.title, s.url, s.severity, s.created_at,
    s.resolved_at)
when not matched by source and t.client_id = (select core.etl_client_id()) then delete;
