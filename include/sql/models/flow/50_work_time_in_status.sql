-- Statements
-- core.work_time_in_status: hours in each status that is not a done one, over the items done in the 90 days that end today,
-- for the client and each project. Nothing is done when no issue was touched and the day is the same.
-- Inputs: work_run, work_touched, core.work_items, core.work_status_times.
with run as materialized (
    select today, minimum_sample, is_full or is_new_day or exists (select from work_touched) as has_work from work_run
), spent as (
    select w.project_key, t.status, t.status_category, t.hours
    from run r
    join core.work_items w
      on w.client_id = (select core.etl_client_id()) and w.done_on > r.today - 90 and w.done_on <= r.today
    join core.work_status_times t on (t.client_id, t.work_item_id) = (w.client_id, w.id)
    where r.has_work and t.hours is not null and t.status_category <> 'done'
), summed as (
    select case when grouping(project_key) = 1 then 'client' else 'project' end as scope_type,
           case when grouping(project_key) = 1 then '' else project_key end as scope_id, status,
           max(status_category) as status_category, count(*) as sample_size,
           percentile_cont(array[0.5, 0.75, 0.9]) within group (order by hours) as p, sum(hours order by hours) as total_hours
    from spent
    group by status, grouping sets ((), (project_key))
), wanted as (
    select s.scope_type, s.scope_id, s.status, s.status_category,
           case when enough.yes then s.p[1] end as median_hours, case when enough.yes then s.p[2] end as p75_hours,
           case when enough.yes then s.p[3] end as p90_hours, s.total_hours, s.sample_size,
           case when not enough.yes then 'below_minimum_sample' end as null_reason
    from summed s
    cross join run r
    cross join lateral (select s.sample_size >= r.minimum_sample as yes) enough
), removed as (
    delete from core.work_time_in_status t
    using run r
    where t.client_id = (select core.etl_client_id()) and r.has_work
      and not exists (
          select from wanted w where (w.scope_type, w.scope_id, w.status) = (t.scope_type, t.scope_id, t.status))
)
merge into core.work_time_in_status as t
using wanted as s
on t.client_id = (select core.etl_client_id()) and (t.scope_type, t.scope_id, t.status) = (s.scope_type, s.scope_id, s.status)
when matched and row(t.status_category, t.median_hours, t.p75_hours, t.p90_hours, t.total_hours, t.sample_size, t.null_reason)
    is distinct from row(s.status_category, s.median_hours, s.p75_hours, s.p90_hours, s.total_hours, s.sample_size,
                         s.null_reason) then update set
    status_category = s.status_category, median_hours = s.median_hours, p75_hours = s.p75_hours,
    p90_hours = s.p90_hours, total_hours = s.total_hours, sample_size = s.sample_size, null_reason = s.null_reason
when not matched then insert
    (client_id, scope_type, scope_id, status, status_category, median_hours, p75_hours, p90_hours, total_hours,
     sample_size, null_reason)
    values ((select core.etl_client_id()), s.scope_type, s.scope_id, s.status, s.status_category, s.median_hours, s.p75_hours,
            s.p90_hours, s.total_hours, s.sample_size, s.null_reason);
