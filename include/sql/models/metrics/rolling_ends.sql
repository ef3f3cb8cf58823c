-- Temporary table rolling_ends: the days that rolling windows end on.
-- Grain: one row per day, for the client (is_client), and for other scopes and all numbers of work.
-- Today; of the client also the last day of each week of the last 400 days, and the days before the windows that end today begin
-- (is_compared). Metrics without past windows have the latest only (is_latest): today, and what it is compared with.
select c.is_client, e.day as end_day, e.is_compared, e.is_compared or e.day = s.today as is_latest
from settings s
cross join (values (true, 400), (false, 0)) c (is_client, days)
cross join lateral (
    select d::date as day, c.is_client and s.today - d::date in (7, 30, 90) as is_compared
    from generate_series(s.today - c.days, s.today, interval '1 day') d
) e
where e.day + 1 = core.period_start('week', e.day + 1, s.week_shift) or e.is_compared or e.day = s.today
