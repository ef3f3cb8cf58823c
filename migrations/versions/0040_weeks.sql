-- What a series of weeks, months or days begins with. One expression, so that the planner puts it into the query that calls it.
create function core.period_start(grain text, day date, week_shift integer)
    returns date
    language sql immutable parallel safe
    as $$
        select case grain when 'week' then date_trunc('week', (day + week_shift)::timestamp)::date - week_shift
                          else date_trunc(grain, day::timestamp)::date end
    $$;
comment on function core.period_start(text, date, integer) is
    'The first day of the day, week or month that a day is in. A week begins so many days before Monday: settings.week_shift.';
revoke execute on function core.period_start(text, date, integer) from public;
grant execute on function core.period_start(text, date, integer) to pulse_etl, pulse_staff, pulse_reader;
