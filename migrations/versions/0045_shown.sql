create function core.percent(share double precision, decimals integer default 0, down boolean default false) returns text
    language sql stable parallel safe
    return (
        select core.figures(to_char(case when down then trunc(x, d) else round(x, d) end,
                                    'FM999999990' || case when d > 0 then rpad('.', d + 1, '0') else '' end))
        from (select (share * 100)::numeric as x) s
        cross join lateral (
            select coalesce(min(d), decimals) as d
            from generate_series(decimals, 6) d
            where x in (0, 100) or case when down then trunc(x, d) else round(x, d) end not in (0, 100)
        ) e
    );

comment on function core.percent(double precision, integer, boolean) is
    'A share in percent, with this many decimals, or as many more as it takes: what is not all is not shown as 100, and what is not '
    'nothing not as 0. down: for "at least", so never rounded up.';

create or replace function core.display_text(unit text, value double precision) returns text
    language sql stable parallel safe
    return case
        when value is null then '—'
        when unit = 'ratio' and (value > 0 and value < 0.0005 or value >= 0.9995 and value < 1)
            then core.percent(value, 1) || ' %'
        when unit = 'ratio' then core.figures(to_char(value * 100, 'FM999999999990.0')) || ' %'
        when unit = 'per_day' and value >= 0.95
            then format(core.say('%s per day'), core.figures(to_char(value, 'FM999999999990.0')))
        when unit = 'per_day' and value * 7 >= 0.95
            then format(core.say('%s per week'), core.figures(to_char(value * 7, 'FM990.0')))
        when unit = 'per_day' then format(core.say('%s per month'), core.figures(to_char(value * 30.4, 'FM990.0')))
        when unit = 'hours' and value > 0 and value * 3600 < 59.5
            then format(core.say('%s s'), to_char(greatest(value * 3600, 1), 'FM90'))
        when unit = 'hours' and value * 60 < 59.5 then format(core.say('%s min'), to_char(value * 60, 'FM90'))
        when unit = 'hours' and value < 47.95 then format(core.say('%s h'), core.figures(to_char(value, 'FM990.0')))
        when unit = 'hours' then format(core.say('%s days'), core.figures(to_char(value / 24, 'FM999999999990.0')))
        when unit = 'items' then to_char(value, 'FM999999999990')
        when unit = 'per_week' then format(core.say('%s per week'), to_char(value, 'FM999999999990'))
        else core.figures(to_char(value, 'FM999999999990.0'))
    end;

create or replace function core.range_text(unit text, low double precision, high double precision) returns text
    language sql stable parallel safe
    -- The unit is said once where both have it. Limits of chance have no more decimals than others.
    return case
        when unit = 'ratio' then format(core.say('%s to %s'), core.figures(to_char(low * 100, 'FM990.0')),
                                        core.figures(to_char(high * 100, 'FM990.0')) || ' %')
        when substring(core.display_text(unit, low) from '[^0-9., ].*') = substring(core.display_text(unit, high) from '[^0-9., ].*')
            then format(core.say('%s to %s'), substring(core.display_text(unit, low) from '^[0-9.,]+'), core.display_text(unit, high))
        else format(core.say('%s to %s'), core.display_text(unit, low), core.display_text(unit, high)) end;

grant execute on function core.percent(double precision, integer, boolean) to pulse_etl, pulse_staff, pulse_reader;
