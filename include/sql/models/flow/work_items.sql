-- Table core.work_items: when work on a Jira issue began and when it was done.
-- Grain: one row per issue that is not deleted.
-- Per: id
select id from touched_work_items
;
with issues as (
    select t.id, j.integration_id, j.id as issue_id, p.key as project_key, j.key, j.url, j.issue_type, j.summary,
           j.status, j.status_category, j.story_points, j.created_at, j.resolution_at, j.components || j.labels as names
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
       e.reopened_count, x.id is not null as is_incident
from issues i
cross join settings r
join entries e on e.id = i.id
left join services s on s.id = i.id
left join core.incidents x on x.id = i.id
cross join lateral (
    select case when i.status_category = 'done' then coalesce(e.done_at, i.resolution_at) end as done_at) d
cross join lateral (select coalesce(e.in_progress_at, e.first_done_at, d.done_at) as started_at) b
