-- Temporary table work_periods: the periods that have flow numbers.
-- Grain: one row per grain and period; none when no item changed and the day is the same.
-- is_affected: its numbers may differ, because a changed item's old or new days fall into it, because it ends after the
-- old or new first day of a scope, or because it had not ended at the last run.
with moved_days as (
    select distinct day
    from work_items_changed c cross join unnest(array[c.before, c.after]) w
    cross join unnest(array[w.created_on, w.done_on]) day
), periods as (
    select g.grain, d::date as period_start, (d + ('1 ' || g.grain)::interval)::date as period_end
    from settings s
    join core.work_scopes c on c.scope_type = 'client'
    cross join (values ('week'), ('month')) g (grain)
    cross join generate_series(
        core.period_start(g.grain, c.first_day, s.week_shift)::timestamp, s.today::timestamp, ('1 ' || g.grain)::interval) d
    union all
    select 'rolling_30d', today - 29, today + 1 from settings
)
select p.grain, p.period_start, p.period_end,
       r.is_full or p.grain = 'rolling_30d'
           or p.period_end > least(s.computed_through, (
               select min(least((before).first_day, (after).first_day)) from work_scopes_changed))
           or exists (select from moved_days d where d.day >= p.period_start and d.day < p.period_end) as is_affected
from periods p
cross join settings s
cross join work_run r
where r.is_full or r.is_new_day or exists (select from work_items_changed)
