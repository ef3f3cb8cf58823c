-- core.incident_deployments: the deployment that caused an incident, by the strongest method that finds one:
-- explicit (the incident's text names its URL, id or commit), fix_reverts (the incident's fix undoes a change that it
-- brought), linked_issue (a linked issue's change came with it), time_window (the service's latest before it).
-- An incident whose cause nothing names has no row.
with settings as materialized (
    select make_interval(hours => (core.setting('dora.incident_window_hours', '168') #>> '{}')::integer) as incident_window
), successful as materialized (
    select d.* from core.deployments d
    where d.client_id = (select core.etl_client_id()) and d.environment_tier = 'production' and d.result = 'success'
), texts as (
    select i.id, i.created_at, i.service_id, i.key, i.source, coalesce(j.description, g.body, x.description, '') as body,
           j.custom_fields, i.integration_id
    from core.incidents i
    left join core.jira_issues j
      on i.source = 'jira' and (j.client_id, j.integration_id, 'jira:' || j.integration_id || ':' || j.id)
       = (i.client_id, i.integration_id, i.id)
    left join core.github_issues g
      on i.source = 'github' and (g.client_id, g.integration_id, 'gh-issue:' || g.integration_id || ':' || g.id)
       = (i.client_id, i.integration_id, i.id)
    left join core.custom_incidents x
      on i.source = 'http_json' and (x.client_id, x.integration_id, 'custom:' || x.integration_id || ':' || x.id)
       = (i.client_id, i.integration_id, i.id)
    where i.client_id = (select core.etl_client_id())
), tokens as (
    select t.id, t.created_at, rtrim(m[1], '.,;)') as token
    from texts t, regexp_matches(t.body, '(https?://\S+|\m[0-9a-f]{40}\M)', 'g') m
), explicit as (
    select distinct on (k.id) k.id, d.id as deployment_id, 'explicit' as method, 1.0 as confidence, 1 as rank
    from tokens k
    join successful d on d.url = k.token or d.sha = k.token
    order by k.id, (d.finished_at <= k.created_at) desc, d.finished_at desc, d.id
), fixes as (
    select t.id, c.reverts_change_id
    from texts t
    join core.changes c
      on c.client_id = (select core.etl_client_id()) and c.reverts_change_id is not null
     and (c.title ~ ('\m' || regexp_replace(t.key, '([^[:alnum:]])', '\\\1', 'g') || '\M'))
), fix_reverts as (
    select distinct on (f.id) f.id, l.deployment_id, 'fix_reverts', 0.9, 2
    from fixes f
    join core.deployment_changes l
      on (l.client_id, l.change_id) = ((select core.etl_client_id()), f.reverts_change_id)
    order by f.id, l.deployment_id
), linked_keys as (
    select t.id, t.created_at, coalesce(link -> 'outwardIssue' ->> 'key', link -> 'inwardIssue' ->> 'key') as key
    from texts t, jsonb_array_elements(coalesce(t.custom_fields -> 'issuelinks', '[]')) link
), named_changes as materialized (
    select c.id, m[1] as key
    from core.changes c, regexp_matches(c.title, '\m([A-Z][A-Z0-9_]+-\d+)\M', 'g') m
    where c.client_id = (select core.etl_client_id())
), linked_issue as (
    select distinct on (k.id) k.id, d.id, 'linked_issue', 0.7, 3
    from linked_keys k
    join named_changes c on c.key = k.key
    join core.deployment_changes l on (l.client_id, l.change_id) = ((select core.etl_client_id()), c.id)
    join successful d on d.id = l.deployment_id and d.finished_at <= k.created_at
    order by k.id, d.finished_at desc, d.id
), time_window as (
    select t.id, d.id, 'time_window', 0.4, 4
    from texts t
    cross join settings s
    cross join lateral (
        select d.id from successful d
        where d.service_id = t.service_id and d.finished_at < t.created_at
          and d.finished_at >= t.created_at - s.incident_window
        order by d.finished_at desc, d.id limit 1
    ) d
), wanted as (
    select distinct on (id) (select core.etl_client_id()) as client_id, id as incident_id, deployment_id, method,
           confidence::numeric(3, 2) as confidence
    from (
        select * from explicit union all select * from fix_reverts
        union all select * from linked_issue union all select * from time_window
    ) found
    order by id, rank
)
merge into core.incident_deployments as t
using wanted as s on (t.client_id, t.incident_id) = (s.client_id, s.incident_id)
when matched and row(t.*) is distinct from row(s.*) then update set
    deployment_id = s.deployment_id, method = s.method, confidence = s.confidence
when not matched then insert values (s.client_id, s.incident_id, s.deployment_id, s.method, s.confidence)
when not matched by source and t.client_id = (select core.etl_client_id()) then delete;
