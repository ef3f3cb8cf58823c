-- Table core.client_calendar: the days of a client that counts working days only, with the working hours before each.
-- Grain: one row per day. Empty for a client without a working calendar.
-- Per: day
-- An increment adds a year when less than a month of it is left. Another calendar is another definition: a full run.
select s.today as day
from settings s
where s.working and coalesce((select max(day) from core.client_calendar), '-infinity') < s.today + 30
;
with days as (
    select d::date as day, d at time zone s.time_zone as starts_at,
           extract(epoch from ((d + interval '1 day') at time zone s.time_zone) - (d at time zone s.time_zone))
               ::double precision / 3600 as hours,
           coalesce(s.working_calendar -> 'days', '["mon", "tue", "wed", "thu", "fri"]') ? lower(to_char(d, 'dy'))
               and not coalesce(s.working_calendar -> 'holidays', '[]') ? to_char(d, 'YYYY-MM-DD')
               or coalesce(s.working_calendar -> 'workdays', '[]') ? to_char(d, 'YYYY-MM-DD') as is_working
    from settings s
    cross join lateral (select max(day) as last_day from core.client_calendar) c
    cross join generate_series(
        timestamp '2005-01-01',
        case when s.reason = 'data' and c.last_day >= s.today + 30 then c.last_day else s.today + 400 end,
        interval '1 day') d
    where s.working
)
select day, starts_at, is_working, coalesce(sum(hours) filter (where is_working) over before, 0) as worked_hours_before,
       coalesce(count(*) filter (where is_working) over before, 0) as worked_days_before
from days
window before as (order by day rows between unbounded preceding and 1 preceding)
