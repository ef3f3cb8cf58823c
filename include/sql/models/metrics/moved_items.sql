-- Temporary table moved_items: the days on which work items count otherwise than before this run.
-- Grain: one row per item, project and such a day: those that it was created and done on, and one in each week in which it is
-- in progress and was not before, or the other way round. (A week or month whose last day is such a day has one of them.)
with moved as (
    select before, after, case when before is null then 'added' when after is null then 'removed' else 'changed' end as what
    from work_items_changed
    where row((before).project_key, (before).created_on, (before).started_on, (before).done_on, (before).status_category = 'done',
              (before).cycle_time_hours, (before).lead_time_hours, (before).is_bug, (before).is_incident, (before).reopened_count > 0)
          is distinct from
          row((after).project_key, (after).created_on, (after).started_on, (after).done_on, (after).status_category = 'done',
              (after).cycle_time_hours, (after).lead_time_hours, (after).is_bug, (after).is_incident, (after).reopened_count > 0)
), versions as (
    select m.what, v.side, w.*
    from moved m
    cross join lateral (values (-1, m.before), (1, m.after)) v (side, item)
    cross join unnest(array[v.item]) w
    where w.id is not null
), steps as (
    -- in progress now less before: from these days on, so many more
    select w.id, w.project_key, w.what, x.day, sum(w.side * x.step) as step
    from versions w
    cross join lateral (values (w.started_on, 1), (greatest(w.started_on, w.done_on), -1)) x (day, step)
    where w.started_on is not null and (w.done_on is not null or w.status_category <> 'done' and x.step = 1)
    group by w.id, w.project_key, w.what, x.day
), spans as (
    -- the last one goes on, with a day in the running week
    select t.*, sum(step) over later as more, lead(day, 1, s.today + 7) over later as until_day
    from steps t
    cross join settings s
    window later as (partition by id, project_key order by day)
)
select v.id, v.project_key, d.day, v.what
from versions v
cross join unnest(array[v.created_on, v.done_on]) d (day)
where d.day is not null
union
select p.id, p.project_key, d::date, p.what
from spans p
cross join generate_series(p.day, p.until_day - 1, interval '1 week') d
where p.more <> 0
