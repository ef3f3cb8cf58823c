-- Temporary table incident_candidates: the incidents that the touched records describe, with the texts that name their cause.
-- Grain: one row per issue (Jira, GitHub) that matches the client's rule (setting dora.incident_rule), and per incident of a
-- custom source, which is declared for them.
-- resolved_at is the first entry into a done status after the last reopening.
-- Index: (id)
with rule as materialized (
    select
        r ->> 'source' as source,
        array(select lower(x) from jsonb_array_elements_text(r -> 'issue_types') x) as issue_types,
        array(select lower(x) from jsonb_array_elements_text(r -> 'labels') x) as labels,
        array(select lower(x) from jsonb_array_elements_text(r -> 'priorities') x) as priorities,
        array(select lower(x) from jsonb_array_elements_text(r -> 'external_labels') x) as external_labels,
        r -> 'fields' as fields, r ->> 'match' = 'all' as all_must_match
    from settings s, lateral (select s.incident_rule) i (r)
), jira as (
    select j.*
    from rule
    join touched_jira_issues q on rule.source in ('jira', 'both')
    join core.jira_issues j on (j.integration_id, j.id) = (q.integration_id, q.id)
    cross join lateral (
        -- one row per part of the rule that is given
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
), done_statuses as (
    select integration_id, id from core.jira_statuses where category = 'done'
), found as (
    select 'jira:' || j.integration_id || ':' || j.id as id, j.integration_id, 'jira' as source, j.key,
           j.key as named_as, j.summary as title, j.url, j.priority as severity, j.created_at,
           case when j.status_category = 'done' then coalesce(d.resolved_at, j.resolution_at) end as resolved_at,
           array(select lower(x) from unnest(j.components || j.labels) x) as words,
           lower((select jira_services from settings) ->> split_part(j.key, '-', 1)) as service_name,
           null::bigint as repository_id, j.description as body, j.fix_versions,
           array(select l.other_key from core.jira_issue_links l
                 where (l.integration_id, l.issue_id) = (j.integration_id, j.id)) as linked_keys
    from jira j
    left join lateral (
        -- What happened at one moment keeps the order of the changelog.
        select min(m.created_at) filter (where m.is_resolution and m.reopenings_after = 0) as resolved_at
        from (
            select c.created_at, n.into_done and not n.out_of_done as is_resolution,
                   count(*) filter (where n.out_of_done and not n.into_done)
                       over (order by c.created_at desc, c.history_id desc, c.item_index desc) as reopenings_after
            from core.jira_issue_changes c
            cross join lateral (
                select exists (select from done_statuses t where (t.integration_id, t.id) = (c.integration_id, c.to_id))
                           as into_done,
                       exists (select from done_statuses t
                               where (t.integration_id, t.id) = (c.integration_id, c.from_id)) as out_of_done
            ) n
            where (c.integration_id, c.issue_id) = (j.integration_id, j.id) and c.field = 'status'
        ) m
    ) d on true
    union all
    select 'gh-issue:' || g.integration_id || ':' || g.id, g.integration_id, 'github', '#' || g.number,
           r.full_name || '#' || g.number, g.title, g.url, null, g.created_at, g.closed_at,
           array(select lower(x) from unnest(g.labels) x), null, g.repository_id, g.body, '{}', '{}'
    from rule
    join touched_github_issues q on rule.source in ('github', 'both')
    join core.github_issues g on (g.integration_id, g.id) = (q.integration_id, q.id)
    join core.github_repositories r on (r.integration_id, r.id) = (g.integration_id, g.repository_id)
    where g.deleted_at is null and exists (select from unnest(g.labels) l where lower(l) = any (rule.labels))
    union all
    select 'custom:' || x.integration_id || ':' || x.id, x.integration_id, 'http_json', x.key, x.key, x.title, x.url,
           x.severity, x.created_at, x.resolved_at, array[lower(x.service)], null, null, x.description, '{}', '{}'
    from touched_custom q
    join core.custom_incidents x on (x.integration_id, x.id) = (q.integration_id, q.id)
    where q.fact = 'custom_incident' and x.deleted_at is null
)
select
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
cross join settings s
cross join rule
