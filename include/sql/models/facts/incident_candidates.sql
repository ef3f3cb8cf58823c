-- Temporary table incident_candidates: the incidents that the touched records describe, with the texts that name their cause.
-- Grain: one row per issue of a tracker or a repository that matches the client's rule (setting dora.incident_rule), and per
-- issue that is reported as an incident.
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
), issues as (
    select t.incident_id, i.*
    from rule
    cross join touched_issues t
    join core.issues i on (i.integration_id, i.id) = (t.integration_id, t.id)
    cross join lateral (
        -- one row per part of the rule that is given; of an issue in a repository, only its labels count
        select bool_or(part.is_met) as any_met, bool_and(part.is_met) as all_met
        from (
            select lower(i.issue_type) = any (rule.issue_types) as is_met
            where rule.issue_types <> '{}' and i.project_id is not null
            union all
            select coalesce(lower(i.priority) = any (rule.priorities), false)
            where rule.priorities <> '{}' and i.project_id is not null
            union all
            select exists (select from unnest(i.labels) l where lower(l) = any (rule.labels)) where rule.labels <> '{}'
            union all
            select exists (
                select from jsonb_array_elements_text(f.value) wanted
                where lower(wanted) in (lower(i.custom_fields ->> f.key), lower(i.custom_fields -> f.key ->> 'value')))
            from jsonb_each(rule.fields) f
            where i.project_id is not null
        ) part
    ) m
    where i.deleted_at is null
      and (i.external_id is not null
           or case when i.project_id is not null then rule.source in ('jira', 'both')
                   else rule.source in ('github', 'both') end
              and case when rule.all_must_match then m.all_met else m.any_met end)
), done_statuses as (
    select integration_id, id from core.issue_statuses where category = 'done'
), found as (
    select i.incident_id as id, i.integration_id, x.source, coalesce(i.key, '#' || i.number) as key,
           coalesce(i.key, r.full_name || '#' || i.number) as named_as, i.summary as title, i.url, i.priority as severity,
           i.created_at,
           case when i.status_category = 'done' then coalesce(d.resolved_at, i.resolution_at)
                when i.project_id is null then i.resolution_at end as resolved_at,
           array(select lower(word) from unnest(i.components || i.labels || i.service_name) word) as words,
           case when i.project_id is not null
               then lower((select jira_services from settings) ->> split_part(i.key, '-', 1)) end as service_name,
           i.repository_id, i.description as body, i.fix_versions,
           array(select l.other_key from core.issue_links l
                 where (l.integration_id, l.issue_id) = (i.integration_id, i.id)) as linked_keys
    from issues i
    join sources x on x.integration_id = i.integration_id
    left join core.repositories r on (r.integration_id, r.id) = (i.integration_id, i.repository_id)
    left join lateral (
        -- What happened at one moment keeps the order of the changelog.
        select min(m.created_at) filter (where m.is_resolution and m.reopenings_after = 0) as resolved_at
        from (
            select c.created_at, n.into_done and not n.out_of_done as is_resolution,
                   count(*) filter (where n.out_of_done and not n.into_done)
                       over (order by c.created_at desc, c.history_id desc, c.item_index desc) as reopenings_after
            from core.issue_changes c
            cross join lateral (
                select exists (select from done_statuses t where (t.integration_id, t.id) = (c.integration_id, c.to_id))
                           as into_done,
                       exists (select from done_statuses t
                               where (t.integration_id, t.id) = (c.integration_id, c.from_id)) as out_of_done
            ) n
            where (c.integration_id, c.issue_id) = (i.integration_id, i.id) and c.field = 'status'
        ) m
    ) d on i.project_id is not null
)
select
    f.id,
    coalesce(
        -- A monorepo's issue belongs to the part that its labels name.
        case when f.repository_id is not null then (
            select v.id from live_services v
            where v.integration_id = f.integration_id and v.repository_id = f.repository_id
              and (v.path_pattern is null or lower(v.name) = any (n.names))
            order by v.path_pattern nulls last, length(v.name) desc, v.id limit 1) end,
        -- Of api and api-gateway, the longer name.
        (select v.id from live_services v where lower(v.name) = any (n.names) order by length(v.name) desc, v.id limit 1),
        (select min(v.id) from live_services v where lower(v.name) = f.service_name)) as service_id,
    f.integration_id, f.source, f.key, f.named_as, f.title, f.url, f.severity, f.created_at, f.resolved_at,
    (f.resolved_at at time zone s.time_zone)::date as resolved_on,
    core.elapsed_hours(f.created_at, f.resolved_at, s.working) as time_to_restore_hours,
    core.hours_between(f.created_at, f.resolved_at) as calendar_hours,
    exists (select from unnest(f.words) w where w = any (rule.external_labels)) as is_external, f.body, f.fix_versions,
    f.linked_keys
from found f
cross join settings s
cross join rule
cross join lateral (
    -- a component or label as a whole, and its words: a hyphen, dot or underscore is part of a word
    select f.words || array(
        select word from unnest(f.words) w, regexp_split_to_table(w, '[^[:alnum:]._-]+') word where word <> '') as names
) n
