-- Table core.workflow_weeks: how often workflows fail, and how long they take.
-- Grain: one row per week of the last 53 and workflow.
-- Counted once a day, the latest five weeks: no index finds the runs of a day.
-- Per: week_start of select core.period_start('week', today, week_shift) - 7 * generate_series(0, 52) as week_start from settings
select core.period_start('week', today, week_shift) - 7 * generate_series(0, 4) as week_start
from settings
where computed_through is distinct from today
;
with ended as (
    select core.period_start('week', (w.updated_at at time zone s.time_zone)::date, s.week_shift) as week_start, w.workflow_name,
           w.conclusion <> 'success' as failed, core.hours_between(w.started_at, w.updated_at) * 60 as minutes
    from core.github_workflow_runs w
    cross join settings s
    where w.status = 'completed' and w.conclusion in ('success', 'failure', 'timed_out', 'startup_failure')
      and w.deleted_at is null and w.updated_at >= (select min(week_start) from touched)::timestamp at time zone s.time_zone
)
select e.week_start, e.workflow_name, count(*)::integer as runs, (count(*) filter (where e.failed))::integer as failures,
       coalesce(sum(e.minutes), 0) as total_minutes,
       percentile_cont(0.5) within group (order by e.minutes) as median_minutes,
       percentile_cont(0.85) within group (order by e.minutes) as p85_minutes
from ended e
join touched t using (week_start)
group by e.week_start, e.workflow_name
