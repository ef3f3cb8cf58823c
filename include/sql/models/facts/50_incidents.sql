-- Statements
-- core.incidents: one row an issue (Jira, GitHub) that matches the client's rule (setting dora.incident_rule), and one an
-- incident of a custom source, which is declared for them. resolved_at is the first entry into a done status after the last
-- reopening. core.incident_references: what it names. From the touched records only.
create temporary table wanted_incidents on commit drop as
with rule as materialized (
    select
        coalesce(r ->> 'source', 'jira') as source,
        array(select lower(x) from jsonb_array_elements_text(coalesce(r -> 'issue_types', '[]')) x) as issue_types,
        array(select lower(x) from jsonb_array_elements_text(coalesce(r -> 'labels', '[]')) x) as labels,
        array(select lower(x) from jsonb_array_elements_text(coalesce(r -> 'priorities', '[]')) x) as priorities,
        array(select lower(x) from jsonb_array_elements_text(coalesce(r -> 'external_labels', '[]')) x) as external_labels,
        coalesce(r -> 'fields', '{}') as fields, coalesce(r ->> 'match', 'any') = 'all' as all_must_match
    from dora_settings s, lateral (select s.incident_rule) i (r)
), jira as (
    select j.*
    from rule
    join touched_jira_issues q on rule.source in ('jira', 'both')
    join core.jira_issues j on (j.client_id, j.integration_id, j.id) = ((select core.etl_client_id()), q.integration_id, q.id)
    cross join lateral (
        -- one row a part of the rule that is given
        select bool_or(part.is_met) as any_met, bool_and(part.is_met) as all_met
        from (
            select lower(j.issue_type) = any (rule.issue_types) as is_met where rule.issue_types <> '{}'
            union all
            select coalesce(lower(j.priority) = any (rule.priorities), false) where rule.priorities <> '{}'
            union all
            select exists (select from unnest(j.labels) l where lower(l) = any (rule.labels)) where rule.labels <> '{}'
            union all
            select exists (
                select from jsonb_array_elements_text(f.value) wanted
                where lower(wanted) in (lower(j.custom_fields ->> f.key), lower(j.custom_fields -> f.key ->> 'value')))
            from jsonb_each(rule.fields) f
        ) part
    ) m
    where j.deleted_at is null and case when rule.all_must_match then m.all_met else m.any_met end
), found as (
    select 'jira:' || j.integration_id || ':' || j.id as id, j.integration_id, 'jira' as source, j.key, j.key as named_as,
           j.summary as title, j.url, j.priority as severity, j.created_at,
           case when j.status_category = 'done' then coalesce(d.resolved_at, j.resolution_at) end as resolved_at,
           array(select lower(x) from unnest(j.components || j.labels) x) as words,
           lower((select jira_services from dora_settings) ->> split_part(j.key, '-', 1)) as service_name,
           null::bigint as repository_id, j.description as body, j.fix_versions,
           array(select l.other_key from core.jira_issue_links l
                 where (l.client_id, l.integration_id, l.issue_id) = ((select core.etl_client_id()), j.integration_id, j.id))
               as linked_keys
    from jira j
    left join lateral (
        -- (what has one time happened in the order of the changelog)
        select min(m.created_at) filter (where m.is_resolution and m.reopenings_after = 0) as resolved_at
        from (
            select c.created_at, n.into_done and not n.out_of_done as is_resolution,
                   count(*) filter (where n.out_of_done and not n.into_done)
                       over (order by c.created_at desc, c.history_id desc, c.item_index desc) as reopenings_after
            from core.jira_issue_changes c
            cross join lateral (
                select exists (select from core.jira_statuses t
                               where (t.client_id, t.integration_id, t.id, t.category)
                                   = ((select core.etl_client_id()), c.integration_id, c.to_id, 'done')) as into_done,
                       exists (select from core.jira_statuses t
                               where (t.client_id, t.integration_id, t.id, t.category)
                                   = ((select core.etl_client_id()), c.integration_id, c.from_id, 'done')) as out_of_done
            ) n
            where (c.client_id, c.integration_id, c.issue_id) = ((select core.etl_client_id()), j.integration_id, j.id)
              and c.field = 'status'
        ) m
    ) d on true
    union all
    select 'gh-issue:' || g.integration_id || ':' || g.id, g.integration_id, 'github', '#' || g.number,
           r.full_name || '#' || g.number, g.title, g.url, null, g.created_at, g.closed_at,
           array(select lower(x) from unnest(g.labels) x), null, g.repository_id, g.body, '{}', '{}'
    from rule
    join touched_github_issues q on rule.source in ('github', 'both')
    join core.github_issues g on (g.client_id, g.integration_id, g.id) = ((select core.etl_client_id()), q.integration_id, q.id)
    join core.github_repositories r on (r.client_id, r.integration_id, r.id) = (g.client_id, g.integration_id, g.repository_id)
    where g.deleted_at is null and exists (select from unnest(g.labels) l where lower(l) = any (rule.labels))
    union all
    select 'custom:' || x.integration_id || ':' || x.id, x.integration_id, 'http_json', x.key, x.key, x.title, x.url,
           x.severity, x.created_at, x.resolved_at, array[lower(x.service)], null, null, x.description, '{}', '{}'
    from touched_custom q
    join core.custom_incidents x on (x.client_id, x.integration_id, x.id) = ((select core.etl_client_id()), q.integration_id, q.id)
    where q.fact = 'custom_incident' and x.deleted_at is null
)
select distinct on (f.id)
    f.id,
    coalesce(
        -- A monorepo's issue belongs to the part that its labels name.
        case when f.repository_id is not null then (
            select v.id from live_services v
            where v.integration_id = f.integration_id and v.repository_id = f.repository_id
              and (v.path_pattern is null or lower(v.name) = any (f.words))
            order by v.path_pattern nulls last, v.id limit 1) end,
        (select min(v.id) from live_services v where lower(v.name) = any (f.words)),
        (select min(v.id) from live_services v where lower(v.name) = f.service_name)) as service_id,
    f.integration_id, f.source, f.key, f.named_as, f.title, f.url, f.severity, f.created_at, f.resolved_at,
    (f.resolved_at at time zone s.time_zone)::date as resolved_on,
    core.elapsed_hours(f.created_at, f.resolved_at, s.working) as time_to_restore_hours,
    exists (select from unnest(f.words) w where w = any (rule.external_labels)) as is_external, f.body, f.fix_versions,
    f.linked_keys
from found f
cross join dora_settings s
cross join rule
order by f.id;
create unique index on wanted_incidents (id);
analyze wanted_incidents (id);

create temporary table gone_incidents on commit drop as
with touched as (
    select 'jira:' || integration_id || ':' || id as id from touched_jira_issues where not (select is_full from dora_settings)
    union
    select 'gh-issue:' || integration_id || ':' || id from touched_github_issues where not (select is_full from dora_settings)
    union
    select 'custom:' || integration_id || ':' || id from touched_custom
    where fact = 'custom_incident' and not (select is_full from dora_settings)
)
select t.id, t.service_id, t.resolved_on
from touched q
join core.incidents t on (t.client_id, t.id) = ((select core.etl_client_id()), q.id)
where not exists (select from wanted_incidents w where w.id = t.id)
union all
select t.id, t.service_id, t.resolved_on from core.incidents t
where (select is_full from dora_settings) and t.client_id = (select core.etl_client_id())
  and not exists (select from wanted_incidents w where w.id = t.id);
analyze gone_incidents;

insert into moved select 'recovery', service_id, resolved_on, id, 'removed' from gone_incidents where resolved_on is not null;
insert into reflag_deployments
select l.deployment_id from gone_incidents g
join core.incident_deployments l on (l.client_id, l.incident_id) = ((select core.etl_client_id()), g.id);
-- Whatever named an incident, or names one now, may be its repair.
create temporary table repaired_incidents (incident_id text) on commit drop;
insert into repaired_incidents select id from gone_incidents;
insert into reflag_deployments
select l.deployment_id
from gone_incidents g
join core.incident_references i on (i.client_id, i.incident_id, i.kind) = ((select core.etl_client_id()), g.id, 'key')
join core.change_references r on (r.client_id, r.issue_key) = (i.client_id, i.reference)
join core.deployment_changes l on (l.client_id, l.change_id) = (r.client_id, r.change_id);
delete from core.incident_deployments t using gone_incidents g
where (t.client_id, t.incident_id) = ((select core.etl_client_id()), g.id);
delete from core.incident_references t using gone_incidents g
where (t.client_id, t.incident_id) = ((select core.etl_client_id()), g.id);
create temporary table incidents_changed on commit drop as
select t as before, null::core.incidents as after from gone_incidents g join core.incidents t on t.id = g.id;
delete from core.incidents t using gone_incidents g where (t.client_id, t.id) = ((select core.etl_client_id()), g.id);

create temporary table changed_incidents (
    id text, old_service_id text, service_id text, old_resolved_on date, resolved_on date, is_new boolean,
    is_counted_anew boolean) on commit drop;
with merged as (
    merge into core.incidents as t
    using wanted_incidents as s on (t.client_id, t.id) = ((select core.etl_client_id()), s.id)
    when matched and row(t.service_id, t.source, t.key, t.title, t.url, t.severity, t.created_at, t.resolved_at, t.resolved_on,
                         t.time_to_restore_hours, t.is_external)
        is distinct from row(s.service_id, s.source, s.key, s.title, s.url, s.severity, s.created_at, s.resolved_at,
                             s.resolved_on, s.time_to_restore_hours, s.is_external) then update set
        service_id = s.service_id, source = s.source, key = s.key, title = s.title, url = s.url, severity = s.severity,
        created_at = s.created_at, resolved_at = s.resolved_at, resolved_on = s.resolved_on,
        time_to_restore_hours = s.time_to_restore_hours, is_external = s.is_external
    when not matched then insert
        (client_id, id, service_id, integration_id, source, key, title, url, severity, created_at, resolved_at, resolved_on,
         time_to_restore_hours, is_external)
        values ((select core.etl_client_id()), s.id, s.service_id, s.integration_id, s.source, s.key, s.title, s.url,
                s.severity, s.created_at, s.resolved_at, s.resolved_on, s.time_to_restore_hours, s.is_external)
    returning new.id, old.service_id as old_service_id, new.service_id, old.resolved_on as old_resolved_on, new.resolved_on,
              old.id is null as is_new,
              row(old.service_id, old.resolved_at, old.time_to_restore_hours)
                  is distinct from row(new.service_id, new.resolved_at, new.time_to_restore_hours) as is_counted_anew
)
insert into changed_incidents select * from merged where (select reason = 'data' from dora_settings);
insert into moved
select 'recovery', old_service_id, old_resolved_on, id, 'changed' from changed_incidents
where is_counted_anew and old_resolved_on is not null
union all
select 'recovery', service_id, resolved_on, id, case when is_new or old_resolved_on is null then 'added' else 'changed' end
from changed_incidents where is_counted_anew and resolved_on is not null;
insert into relink_incidents select id from wanted_incidents;
insert into repaired_incidents select id from changed_incidents;
-- An incident's key stands in the evidence of the deployment that caused it.
insert into reflag_deployments
select l.deployment_id from changed_incidents c
join core.incident_deployments l on (l.client_id, l.incident_id) = ((select core.etl_client_id()), c.id);

create temporary table named_by_incidents on commit drop as
select w.id as incident_id, 'key' as kind, w.named_as as reference from wanted_incidents w
union
-- An address as it stands; without what points into the page; and that of the pull request or run which the page is of.
select w.id, 'url', address.url
from wanted_incidents w
cross join regexp_matches(w.title || ' ' || w.body, 'https?://[^\s|<>"]+', 'g') m
cross join lateral (select rtrim(m[1], '.,;:)]}>"''!*…') as url) whole
cross join lateral (select rtrim(regexp_replace(whole.url, '[?#].*$', ''), '/_') as url) page
cross join lateral (
    values (whole.url), (page.url), (substring(page.url from '^(.*/(?:pull|runs)/[0-9]+)/'))
) address (url)
where address.url is not null
union
-- A commit, full or abbreviated, or a deployment's number (what is none meets no deployment's).
select w.id, 'sha', lower(m[1])
from wanted_incidents w, regexp_matches(w.title || ' ' || w.body, '\m[0-9a-fA-F]{7,40}\M', 'g') m
union
select w.id, 'linked', issue_key from wanted_incidents w, unnest(w.linked_keys) issue_key
union
select w.id, 'fix_version', version from wanted_incidents w, unnest(w.fix_versions) version;
analyze named_by_incidents;
insert into reflag_deployments
select l.deployment_id
from wanted_incidents w
join core.incident_references i on (i.client_id, i.incident_id, i.kind) = ((select core.etl_client_id()), w.id, 'key')
join core.change_references r on (r.client_id, r.issue_key) = (i.client_id, i.reference)
join core.deployment_changes l on (l.client_id, l.change_id) = (r.client_id, r.change_id)
where i.reference <> w.named_as and not (select is_full from dora_settings);
delete from core.incident_references t using wanted_incidents w
where (t.client_id, t.incident_id) = ((select core.etl_client_id()), w.id)
  and not exists (select from named_by_incidents n
                  where (n.incident_id, n.kind, n.reference) = (t.incident_id, t.kind, t.reference));
insert into core.incident_references (client_id, incident_id, kind, reference)
select (select core.etl_client_id()), n.incident_id, n.kind, n.reference
from named_by_incidents n
where not exists (
    select from core.incident_references t
    where (t.client_id, t.incident_id, t.kind, t.reference)
        = ((select core.etl_client_id()), n.incident_id, n.kind, n.reference));
