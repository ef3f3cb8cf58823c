-- One row; none without a value or a case. Returns a table, so that the planner can put it into the query that calls it.
create function core.likely_range(unit text, value double precision, cases double precision)
    returns table (low double precision, high double precision)
    language sql immutable parallel safe
    as $$
        -- Of none and of all, the formula's end is not exactly the value: it misses it by the last digit.
        select greatest(least(r.low, value), 0), greatest(r.high, value) from (
            select case unit when 'ratio' then (value + z * z / (2 * n) - z * sqrt(value * (1 - value) / n + z * z / (4 * n * n))) / (1 + z * z / n)
                             when 'per_day' then value * (1 - 1 / (9 * n) - z / (3 * sqrt(n))) ^ 3 end as low,
                   case unit when 'ratio' then (value + z * z / (2 * n) + z * sqrt(value * (1 - value) / n + z * z / (4 * n * n))) / (1 + z * z / n)
                             when 'per_day' then value * (n + 1) / n * (1 - 1 / (9 * (n + 1)) + z / (3 * sqrt(n + 1))) ^ 3 end as high
            -- Without a case there is no division by it, wherever the planner puts the condition below.
            from (select nullif(cases, 0) as n, 1.96::double precision as z) v
        ) r
        where r.low is not null and r.high is not null
    $$;
comment on function core.likely_range(text, double precision, double precision) is
    'Between which values chance alone leaves a number, with 95 % confidence. A ratio of so many cases: Wilson''s score interval. A '
    'rate per day that so many events make: the Poisson interval in Byar''s approximation.';
revoke execute on function core.likely_range(text, double precision, double precision) from public;
grant execute on function core.likely_range(text, double precision, double precision) to pulse_staff, pulse_reader;
