-- Table core.work_items: when work on a Jira issue began and when it was done.
-- Grain: one row per issue that is not deleted.
-- Per: id
select id from touched_work_items
;
with issues as (
    select t.id, j.integration_id, j.id as issue_id, p.key as project_key, j.key, j.url, j.issue_type, j.summary,
           j.status, j.status_category, j.story_points, j.created_at, j.resolution_at, j.components || j.labels as names,
           j.labels, j.fix_versions, u.is_subtask, up.issue_type as parent_type, up.labels as parent_labels, e.key as epic_key,
           e.summary as epic_name, h.is_epic
    from touched_work_items t
    join core.issues j on (j.integration_id, j.id) = (t.integration_id, t.issue_id) and j.deleted_at is null
    join core.projects p on (p.integration_id, p.id) = (j.integration_id, j.project_id)
    cross join lateral (select j.issue_type ~* '^sub-?task' as is_subtask) u
    -- What is above it: a sub-task is what its parent is, and in the parent's epic.
    left join lateral (
        select x.* from core.issues x
        where (x.integration_id, x.key) = (j.integration_id, j.parent_key) and x.deleted_at is null
        limit 1
    ) up on j.parent_key is not null
    left join lateral (
        select x.key, x.summary from core.issues x
        where (x.integration_id, x.key) = (j.integration_id, case when u.is_subtask then up.parent_key else up.key end)
          and x.deleted_at is null
        limit 1
    ) e on up.id is not null
    -- It is an epic when it holds items that are not sub-tasks.
    cross join lateral (
        select exists (
            select from (
                select x.issue_type from core.issues x
                where (x.integration_id, x.parent_key) = (j.integration_id, j.key) and x.deleted_at is null
                offset 0) x
            where x.issue_type !~* '^sub-?task') as is_epic
    ) h
), stays as (
    select *, coalesce(max(n) filter (where is_reopening) over (partition by id), 0) as last_reopening from work_stays
), entries as (
    select id, min(entered_at) filter (where status_category = 'indeterminate') as in_progress_at,
           min(entered_at) filter (where is_finish) as first_done_at,
           min(entered_at) filter (where is_finish and n > last_reopening) as done_at,
           count(*) filter (where is_reopening) as reopened_count
    from stays
    group by id
), run as materialized (
    select time_zone, working,
           array(select lower(x) from jsonb_array_elements_text(settings -> 'work.waiting_statuses') x) as waiting
    from settings
), services as (
    -- a component or label that names a service goes before the service of the project
    select i.id, (array_agg(s.id order by x.is_named desc, length(s.name) desc, s.id))[1] as service_id
    from issues i
    cross join lateral (
        select lower(name) as name, true as is_named from unnest(i.names) name
        union all
        select lower((select jira_services from settings) ->> i.project_key), false
    ) x
    join live_services s on lower(s.name) = x.name
    group by i.id
), rules as materialized (
    select n, rule ->> 'name' as name, coalesce((rule -> 'unplanned')::boolean, false) as is_unplanned,
           coalesce((rule -> 'incidents')::boolean, false) as is_incidents,
           array(select lower(x) from jsonb_array_elements_text(rule -> 'issue_types') x) as issue_types,
           array(select lower(x) from jsonb_array_elements_text(rule -> 'labels') x) as labels,
           core.search_pattern(nullif(rule -> 'epics', '[]')) as epics
    from settings s
    cross join lateral jsonb_array_elements(s.settings -> 'work.categories') with ordinality r (rule, n)
)
select i.id, i.integration_id, i.issue_id, i.project_key, i.key, i.url, i.issue_type,
       i.issue_type ~* '\m(bugs?|defects?)\M' as is_bug, i.summary, i.status, i.status_category, s.service_id,
       i.story_points, i.created_at, b.started_at, d.done_at,
       (i.created_at at time zone r.time_zone)::date as created_on,
       (b.started_at at time zone r.time_zone)::date as started_on,
       (d.done_at at time zone r.time_zone)::date as done_on,
       -- What was closed without having been worked on has none.
       case when e.in_progress_at is not null then core.elapsed_hours(b.started_at, d.done_at, r.working) end
           as cycle_time_hours,
       core.elapsed_hours(i.created_at, d.done_at, r.working) as lead_time_hours,
       e.reopened_count, x.id is not null as is_incident,
       i.epic_key, i.epic_name, i.fix_versions, coalesce(c.name, '') as category, coalesce(c.is_unplanned, false) as is_unplanned,
       i.is_epic, i.is_subtask, w.hours as waiting_hours
from issues i
cross join run r
join entries e on e.id = i.id
left join services s on s.id = i.id
left join core.incidents x on x.id = i.id
left join lateral (
    select r.name, r.is_unplanned
    from rules r
    where lower(case when i.is_subtask then coalesce(i.parent_type, i.issue_type) else i.issue_type end) = any (r.issue_types)
       or r.labels <> '{}' and exists (
              select from unnest(i.labels || case when i.is_subtask then i.parent_labels end) x where lower(x) = any (r.labels))
       or r.is_incidents and x.id is not null
       or i.epic_key ~* r.epics or i.epic_name ~* r.epics
    order by r.n limit 1
) c on true
cross join lateral (
    select case when i.status_category = 'done' then coalesce(e.done_at, i.resolution_at) end as done_at) d
cross join lateral (select coalesce(e.in_progress_at, e.first_done_at, d.done_at) as started_at) b
left join lateral (
    select coalesce(sum(core.elapsed_hours(
               greatest(t.entered_at, b.started_at), least(t.left_at, d.done_at), r.working)), 0) as hours
    from work_stays t
    where t.id = i.id and t.entered_at < d.done_at and (t.left_at is null or t.left_at > b.started_at)
      and lower(t.status) = any (r.waiting)
) w on r.waiting <> '{}' and e.in_progress_at is not null and d.done_at is not null
