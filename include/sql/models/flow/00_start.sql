-- Statements
-- Temporary tables of this run: work_run (one row: what it works with, whether everything is computed anew),
-- work_moved_sprints (sprints that began, ended or changed otherwise) and work_touched (the issues to look at: those that
-- were written, members of moved sprints, and those that became an incident or ceased to be one; all, when is_full).
-- Inputs: settings, touched_jira_issues, core.jira_*, core.services, core.incidents, core.work_*.
drop table if exists pg_temp.work_run, pg_temp.work_moved_sprints, pg_temp.work_touched, pg_temp.work_issues,
    pg_temp.work_statuses, pg_temp.work_services, pg_temp.work_moves, pg_temp.work_wanted, pg_temp.work_changed,
    pg_temp.work_stays, pg_temp.work_wanted_times, pg_temp.work_planning, pg_temp.work_spells, pg_temp.work_estimates,
    pg_temp.work_wanted_sprint_items, pg_temp.work_wanted_sprints, pg_temp.work_new_scopes, pg_temp.work_periods,
    pg_temp.work_days, pg_temp.work_wanted_metrics;

-- What every item depends on. When one of these differs from the last run's, each item may differ.
create temporary table work_run on commit drop as
with inputs as (
    select s.client_id, md5(concat_ws(
        '|', s.time_zone, s.working, s.minimum_sample, s.jira_services,
        (select string_agg(x.integration_id || ':' || x.id || ':' || x.category || ':' || x.name, ',' order by x.integration_id, x.id)
         from core.jira_statuses x where x.client_id = s.client_id),
        (select string_agg(x.integration_id || ':' || x.id || ':' || x.key, ',' order by x.integration_id, x.id)
         from core.jira_projects x where x.client_id = s.client_id),
        (select string_agg(x.name || ':' || x.id, ',' order by x.name, x.id)
         from (select lower(name) as name, min(id) as id from core.services where client_id = s.client_id group by 1) x)
    )) as digest
    from settings s
)
select s.client_id, s.time_zone, s.today, s.working, s.minimum_sample, i.digest as inputs, p.computed_through,
       s.is_full or p.inputs is distinct from i.digest as is_full,
       p.computed_through is distinct from s.today as is_new_day
from settings s
join inputs i on i.client_id = s.client_id
left join core.work_state p on p.client_id = s.client_id;

create temporary table work_moved_sprints on commit drop as
select coalesce(s.integration_id, o.integration_id) as integration_id, coalesce(s.id, o.id) as sprint_id
from (
    select integration_id, id, board_id, name, state, started_at, ends_at, completed_at
    from core.jira_sprints where client_id = (select core.etl_client_id()) and deleted_at is null
) s
full join (
    select integration_id, id, board_id, name, state, started_at, ends_at, completed_at
    from core.work_sprints where client_id = (select core.etl_client_id())
) o on (o.integration_id, o.id) = (s.integration_id, s.id)
where (select is_full from work_run) or row(s.*) is distinct from row(o.*);

create temporary table work_touched on commit drop as
select t.integration_id, t.id as issue_id from touched_jira_issues t
union
select j.integration_id, j.id from core.jira_issues j
where j.client_id = (select core.etl_client_id()) and (select is_full from work_run)
union
select w.integration_id, w.issue_id from core.work_items w
where w.client_id = (select core.etl_client_id()) and (select is_full from work_run)
union
select i.integration_id, i.issue_id
from work_moved_sprints m
join core.work_sprint_items i
  on (i.client_id, i.integration_id, i.sprint_id) = ((select core.etl_client_id()), m.integration_id, m.sprint_id)
union
select w.integration_id, w.issue_id
from core.work_items w
where w.client_id = (select core.etl_client_id()) and w.is_incident
  and not exists (select from core.incidents i where (i.client_id, i.id) = (w.client_id, w.id))
union
select w.integration_id, w.issue_id
from core.incidents i
join core.work_items w on (w.client_id, w.id) = (i.client_id, i.id) and not w.is_incident
where i.client_id = (select core.etl_client_id()) and i.source = 'jira';
create unique index on work_touched (integration_id, issue_id);
analyze work_run, work_moved_sprints, work_touched;
