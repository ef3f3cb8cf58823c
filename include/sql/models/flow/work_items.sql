-- Table core.work_items: when work on a Jira issue began and when it was done.
-- Grain: one row per issue that is not deleted.
-- Per: id
select id from touched_work_items
;
with issues as (
    select t.id, j.integration_id, j.id as issue_id, p.key as project_key, j.key, j.url, j.issue_type, j.summary,
           j.status, j.status_category, j.story_points, j.created_at, j.resolution_at, j.components || j.labels as names,
           j.labels, j.fix_versions, j.parent_key, j.issue_type ~* '^sub-?task' as is_subtask
    from touched_work_items t
    join core.issues j on (j.integration_id, j.id) = (t.integration_id, t.issue_id) and j.deleted_at is null
    join core.projects p on (p.integration_id, p.id) = (j.integration_id, j.project_id)
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
), parents as (
    -- A sub-task is what its parent is, and in the parent's epic.
    select i.id, case when i.is_subtask then p.issue_type end as issue_type,
           case when i.is_subtask then p.labels else '{}' end as labels, e.key as epic_key, e.summary as epic_name
    from issues i
    join core.issues p on (p.integration_id, p.key) = (i.integration_id, i.parent_key) and p.deleted_at is null
    left join core.issues e on e.integration_id = i.integration_id
        and e.key = case when i.is_subtask then p.parent_key else p.key end and e.deleted_at is null
), holders as (
    -- what holds items that are not sub-tasks
    select i.id
    from issues i
    where exists (select from core.issues c
                  where (c.integration_id, c.parent_key) = (i.integration_id, i.key) and c.deleted_at is null
                    and c.issue_type !~* '^sub-?task')
), rules as materialized (
    select n, rule ->> 'name' as name, coalesce((rule -> 'unplanned')::boolean, false) as is_unplanned,
           coalesce((rule -> 'incidents')::boolean, false) as is_incidents,
           array(select lower(x) from jsonb_array_elements_text(rule -> 'issue_types') x) as issue_types,
           array(select lower(x) from jsonb_array_elements_text(rule -> 'labels') x) as labels,
           core.search_pattern(nullif(rule -> 'epics', '[]')) as epics
    from settings s
    cross join lateral jsonb_array_elements(s.settings -> 'work.categories') with ordinality r (rule, n)
), categories as (
    select distinct on (i.id) i.id, r.name, r.is_unplanned
    from issues i
    left join parents p on p.id = i.id
    join rules r on lower(coalesce(p.issue_type, i.issue_type)) = any (r.issue_types)
        or array(select lower(x) from unnest(i.labels || coalesce(p.labels, '{}')) x) && r.labels
        or r.is_incidents and exists (select from core.incidents x where x.id = i.id)
        or p.epic_key ~* r.epics or p.epic_name ~* r.epics
    order by i.id, r.n
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
       p.epic_key, p.epic_name, i.fix_versions, coalesce(c.name, '') as category, coalesce(c.is_unplanned, false) as is_unplanned,
       h.id is not null as is_epic, i.is_subtask, w.hours as waiting_hours
from issues i
cross join run r
join entries e on e.id = i.id
left join services s on s.id = i.id
left join core.incidents x on x.id = i.id
left join parents p on p.id = i.id
left join holders h on h.id = i.id
left join categories c on c.id = i.id
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
