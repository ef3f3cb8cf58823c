-- Temporary table counted_days: between which days the facts of a family are counted.
-- Grain: one row per family. from_at: a moment before from_day begins, for the indexes by time.
select c.family, min(c.period_start) as from_day, max(c.until_day) as until_day,
       min(c.period_start)::timestamp at time zone min(s.time_zone) - interval '1 day' as from_at
from cells c, settings s
group by c.family
