-- Statements
-- core.work_items: one row an issue that is not deleted, with its days and durations; only touched issues are looked at,
-- only rows that differ are written. Leaves work_moves (status changes of the touched issues, in order), work_wanted (their
-- rows as they should be) and work_changed (what differed: old and new days) to the files that follow.
-- Inputs: work_run, work_touched, core.jira_issues, core.jira_issue_changes, core.jira_statuses, core.jira_projects,
-- core.services, core.incidents.
create temporary table work_issues on commit drop as
with issues as materialized (
    select j.integration_id, j.id as issue_id, j.project_id, j.key, j.url, j.issue_type, j.summary, j.status, j.status_category,
           j.story_points, j.created_at, j.resolution_at, j.components || j.labels as names,
           j.custom_fields -> 'sprints' as sprints
    from work_touched t
    join core.jira_issues j
      on (j.client_id, j.integration_id, j.id) = ((select core.etl_client_id()), t.integration_id, t.issue_id)
    where j.deleted_at is null
), projects as materialized (
    select integration_id, id, key from core.jira_projects where client_id = (select core.etl_client_id())
)
select i.integration_id, i.issue_id, 'jira:' || i.integration_id || ':' || i.issue_id as id, p.key as project_key, i.key,
       i.url, i.issue_type, i.summary, i.status, i.status_category, i.story_points, i.created_at, i.resolution_at, i.names,
       i.sprints
from issues i
join projects p on (p.integration_id, p.id) = (i.integration_id, i.project_id);
create index on work_issues (integration_id, issue_id);
analyze work_issues (integration_id, issue_id);

create temporary table work_statuses on commit drop as
select integration_id, id, name, category from core.jira_statuses where client_id = (select core.etl_client_id());
create temporary table work_services on commit drop as
select lower(name) as name, min(id) as id from core.services where client_id = (select core.etl_client_id()) group by 1;
analyze work_statuses, work_services;

create temporary table work_moves on commit drop as
select c.integration_id, c.issue_id, c.created_at as moved_at,
       row_number() over (partition by c.integration_id, c.issue_id order by c.created_at, c.history_id, c.item_index) as n,
       coalesce(f.name, c.from_text, '') as from_status, coalesce(f.category, 'undefined') as from_category,
       coalesce(i.name, c.to_text, '') as to_status, coalesce(i.category, 'undefined') as to_category
from work_issues w
join core.jira_issue_changes c
  on (c.client_id, c.integration_id, c.issue_id) = ((select core.etl_client_id()), w.integration_id, w.issue_id)
left join work_statuses f on (f.integration_id, f.id) = (c.integration_id, c.from_id)
left join work_statuses i on (i.integration_id, i.id) = (c.integration_id, c.to_id)
where c.field = 'status';
create index on work_moves (integration_id, issue_id);
analyze work_moves (integration_id, issue_id);

create temporary table work_wanted on commit drop as
with reopenings as (
    select integration_id, issue_id, count(*)::integer as reopened_count, max(n) as last_n
    from work_moves where from_category = 'done' and to_category <> 'done'
    group by integration_id, issue_id
), entries as (
    select m.integration_id, m.issue_id,
           max(m.from_category) filter (where m.n = 1) as initial_category,
           min(m.moved_at) filter (where m.to_category = 'indeterminate') as in_progress_at,
           min(m.moved_at) filter (where m.to_category = 'done' and m.from_category <> 'done') as first_done_at,
           min(m.moved_at) filter (where m.to_category = 'done' and m.from_category <> 'done'
                                     and m.n > coalesce(r.last_n, 0)) as done_at,
           max(r.reopened_count) as reopened_count
    from work_moves m
    left join reopenings r on (r.integration_id, r.issue_id) = (m.integration_id, m.issue_id)
    group by m.integration_id, m.issue_id
), services as (
    select i.integration_id, i.issue_id, coalesce(min(s.id) filter (where x.is_named), min(s.id)) as service_id
    from work_issues i
    cross join lateral (
        select lower(name) as name, true as is_named from unnest(i.names) name
        union all
        select lower((select jira_services from settings) ->> i.project_key), false
    ) x
    join work_services s on s.name = x.name
    group by i.integration_id, i.issue_id
), timed as (
    select i.*, e.reopened_count, done.at as done_at,
           coalesce(
               least(case when coalesce(e.initial_category, i.status_category) = 'indeterminate' then i.created_at end,
                     e.in_progress_at),
               e.first_done_at, done.at) as started_at
    from work_issues i
    left join entries e on (e.integration_id, e.issue_id) = (i.integration_id, i.issue_id)
    cross join lateral (
        select case when i.status_category = 'done' then coalesce(e.done_at, i.resolution_at) end as at
    ) done
)
select r.client_id, t.id, t.integration_id, t.issue_id, t.project_key, t.key, t.url, t.issue_type,
       t.issue_type ~* '\m(bugs?|defects?)\M' as is_bug, t.summary, t.status, t.status_category, s.service_id,
       t.story_points, t.created_at, t.started_at, t.done_at,
       (t.created_at at time zone r.time_zone)::date as created_on,
       (t.started_at at time zone r.time_zone)::date as started_on,
       (t.done_at at time zone r.time_zone)::date as done_on,
       core.elapsed_hours(t.started_at, t.done_at, r.working) as cycle_time_hours,
       core.elapsed_hours(t.created_at, t.done_at, r.working) as lead_time_hours,
       coalesce(t.reopened_count, 0) as reopened_count,
       x.id is not null as is_incident
from timed t
cross join work_run r
left join services s on (s.integration_id, s.issue_id) = (t.integration_id, t.issue_id)
left join core.incidents x on (x.client_id, x.id) = ((select core.etl_client_id()), t.id);
create index on work_wanted (integration_id, issue_id);
analyze work_wanted (integration_id, issue_id);

create temporary table work_changed on commit drop as
select 'jira:' || t.integration_id || ':' || t.issue_id as id, w.id is null as is_gone,
       o.created_on as old_created_on, o.done_on as old_done_on, w.created_on, w.done_on
from work_touched t
left join core.work_items o
  on (o.client_id, o.id) = ((select core.etl_client_id()), 'jira:' || t.integration_id || ':' || t.issue_id)
left join work_wanted w on (w.integration_id, w.issue_id) = (t.integration_id, t.issue_id)
where row(o.*) is distinct from row(w.*);
create index on work_changed (id);
analyze work_changed (id, is_gone);

delete from core.work_items t
using work_changed c
where (t.client_id, t.id) = ((select core.etl_client_id()), c.id) and c.is_gone;

insert into core.work_items as t
    (client_id, id, integration_id, issue_id, project_key, key, url, issue_type, is_bug, summary, status,
     status_category, service_id, story_points, created_at, started_at, done_at, created_on, started_on, done_on,
     cycle_time_hours, lead_time_hours, reopened_count, is_incident)
select w.client_id, w.id, w.integration_id, w.issue_id, w.project_key, w.key, w.url, w.issue_type, w.is_bug, w.summary,
       w.status, w.status_category, w.service_id, w.story_points, w.created_at, w.started_at, w.done_at, w.created_on,
       w.started_on, w.done_on, w.cycle_time_hours, w.lead_time_hours, w.reopened_count, w.is_incident
from work_changed c
join work_wanted w on w.id = c.id
on conflict (client_id, id) do update set
    project_key = excluded.project_key, key = excluded.key, url = excluded.url, issue_type = excluded.issue_type,
    is_bug = excluded.is_bug, summary = excluded.summary, status = excluded.status,
    status_category = excluded.status_category, service_id = excluded.service_id, story_points = excluded.story_points,
    created_at = excluded.created_at, started_at = excluded.started_at, done_at = excluded.done_at,
    created_on = excluded.created_on, started_on = excluded.started_on, done_on = excluded.done_on,
    cycle_time_hours = excluded.cycle_time_hours, lead_time_hours = excluded.lead_time_hours,
    reopened_count = excluded.reopened_count, is_incident = excluded.is_incident;
