-- Table core.work_ageing: how long the items in progress had been worked on when today began.
-- Grain: one row per item in progress. Only its first and its latest day count, so a run later on the day gives the same.
-- Per: client
select w.id, coalesce(core.elapsed_hours(w.started_at, s.today::timestamp at time zone s.time_zone, s.working), 0) as age_hours
from core.work_items w
cross join settings s
where w.started_on is not null and w.done_on is null and w.status_category <> 'done' and not w.is_epic
