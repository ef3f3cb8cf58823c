-- Table core.metric_signals: what in the weeks of a metric is a signal, and what is chance (docs/metrics.md says by which rules).
-- Grain: one row per metric, scope and level: weeks between two shifts, of the complete weeks of the last 400 days.
-- Per: metric_type, scope_type, scope_id of select metric_type, scope_type, scope_id from core.dora_scopes join core.metric_catalogue using (family) where judged = 'scopes' or judged = scope_type
-- Touched are series with a written complete week; all of a scope that is recomputed; and all of them when a week has begun,
-- because the oldest week leaves.
select b.metric_type, b.scope_type, b.scope_id
from dora_metrics_changed c
cross join unnest(array[c.before, c.after]) b
join core.metric_catalogue k on k.metric_type = b.metric_type and (k.judged = 'scopes' or k.judged = b.scope_type)
where b.grain = 'week' and not b.is_partial
union
select k.metric_type, d.scope_type, d.scope_id
from settings s
cross join core.dora_scopes d
join core.metric_catalogue k on k.family = d.family and (k.judged = 'scopes' or k.judged = d.scope_type)
where core.period_start('week', s.computed_through, s.week_shift) is distinct from core.period_start('week', s.today, s.week_shift)
   or exists (select from recomputed_scopes r where (r.scope_type, r.scope_id, r.family) = (d.scope_type, d.scope_id, d.family))
;
-- Counts are judged as roots and durations as logarithms, so that noise does not depend on the level. noise: the least
-- variance that a week can have, from the number of events alone.
with recursive weeks as (
    select m.metric_type, m.scope_type, m.scope_id, m.period_start, m.unit,
           case m.unit when 'per_day' then sqrt(m.metric_value * case when s.working then 5 else 7 end + 0.375)
                       when 'items' then sqrt(m.metric_value + 0.375)
                       when 'hours' then ln(greatest(m.metric_value, 0.01)) end as y,
           case m.unit when 'per_day' then 0.25::double precision when 'items' then 0.25
                       when 'hours' then 1.571 / m.sample_size
                            * (ln(greatest(m.p75, 0.01) / greatest(m.metric_value, 0.01)) / 0.674) ^ 2 end as noise,
           m.numerator, m.denominator
    from touched t
    cross join settings s
    join core.dora_metrics m
      on (m.metric_type, m.grain, m.scope_type, m.scope_id) = (t.metric_type, 'week', t.scope_type, t.scope_id)
    where not m.is_partial and m.period_start >= core.period_start('week', s.today, s.week_shift) - 399
      and case when m.unit = 'ratio' then m.denominator > 0 else m.metric_value is not null end
), summed as (
    -- failures, all: of this week and those before
    select w.*, sum(numerator) over earlier as failures, sum(denominator) over earlier as deployments
    from weeks w
    window earlier as (partition by metric_type, scope_type, scope_id order by period_start)
), series as materialized (
    select metric_type, scope_type, scope_id, unit, count(*)::integer as n,
           array_agg(period_start order by period_start) as starts, array_agg(y order by period_start) as y,
           array_agg(noise order by period_start) as noise,
           array_agg(failures::double precision order by period_start) as failures,
           array_agg(deployments::double precision order by period_start) as deployments
    from summed
    group by 1, 2, 3, 4
), levels as (
    -- first: the number of a level's first week. side, rule, confirmed: the signal that began it; was_*: against what.
    select metric_type, scope_type, scope_id, 1 as first, null::integer as side, null as rule, null::integer as confirmed,
           null::double precision as was_centre, null::double precision as was_sigma
    from series
    union all
    select l.metric_type, l.scope_type, l.scope_id, h.first, h.side, h.rule, h.week, h.centre, h.sigma
    from levels l
    join series s using (metric_type, scope_type, scope_id)
    cross join lateral (
        -- Rates per time and medians. The eight latest weeks are judged by those before, at least twelve.
        select v.week, r.number, r.rule, d.side, f.first, v.centre, v.sigma
        from (
            select week, b.last, b.quartiles[2] as centre,
                   greatest(b.moved / 0.954, (b.quartiles[3] - b.quartiles[1]) / 1.349, b.noise, 0.05) as sigma
            from generate_series(l.first + 12, s.n) week
            cross join lateral (
                select max(j) as last, percentile_cont(array[0.25, 0.5, 0.75]) within group (order by s.y[j]) as quartiles,
                       percentile_cont(0.5) within group (order by abs(s.y[j] - s.y[j - 1])) filter (where j > l.first) as moved,
                       sqrt(avg(s.noise[j])) as noise
                from generate_series(l.first, greatest(l.first + 11, week - 8)) j
            ) b
        ) v
        cross join lateral (select sign(s.y[v.week] - v.centre)::integer as side) d
        join (values (1, '3 weeks in a row at or beyond a limit', 3, 3, 2.5),
                     (2, '4 weeks in a row in the outer part of the range', 4, 4, 1.6),
                     (3, '7 of 8 weeks on one side of the range', 8, 7, 0.75)) r (number, rule, weeks, least, beyond)
          on v.week - r.weeks >= v.last and d.side * (s.y[v.week] - v.centre) > r.beyond * v.sigma
        cross join lateral (
            select min(j) as first, count(*) as n
            from generate_series(v.week - r.weeks + 1, v.week) j
            where d.side * (s.y[j] - v.centre) > r.beyond * v.sigma
        ) f
        where s.unit <> 'ratio' and f.n >= r.least
        union all
        -- Failures: Fisher's exact test of the latest weeks against those before. drawn of total deployments, failed of all
        -- failures: how likely is it that as many, or as few, of the failures lie in the latest weeks?
        select k.week, k.weeks, k.weeks || ' weeks, by an exact test', k.side, k.week - k.weeks + 1,
               (k.all_failures - k.failed) / (k.total - k.drawn), null
        from (
            select week, weeks, all_failures, total, failed, drawn,
                   case when failed * total > all_failures * drawn then 1 else -1 end as side
            from generate_series(l.first + 15, s.n) week
            cross join (values (4), (8)) w (weeks)
            cross join lateral (
                select s.failures[week] - coalesce(s.failures[l.first - 1], 0) as all_failures,
                       s.deployments[week] - coalesce(s.deployments[l.first - 1], 0) as total,
                       s.failures[week] - s.failures[week - weeks] as failed,
                       s.deployments[week] - s.deployments[week - weeks] as drawn
            ) c
            where s.unit = 'ratio' and week - weeks - l.first >= 11
              -- far more likely than the bound: not worth the exact test
              and (failed * total - all_failures * drawn) ^ 2 * (total - 1)
                  >= 4 * drawn * all_failures * (total - all_failures) * (total - drawn)
              and all_failures > 0 and all_failures < total
        ) k
        cross join lateral (
            select sum(exp(greatest(-700, lgamma(k.all_failures + 1) - lgamma(x + 1) - lgamma(k.all_failures - x + 1)
                           + lgamma(k.total - k.all_failures + 1) - lgamma(k.drawn - x + 1)
                           - lgamma(k.total - k.all_failures - k.drawn + x + 1)
                           - lgamma(k.total + 1) + lgamma(k.drawn + 1) + lgamma(k.total - k.drawn + 1)))) as p
            from generate_series(
                case when k.side > 0 then k.failed
                     else greatest(0, k.drawn - k.total + k.all_failures) end::integer,
                case when k.side > 0 then least(k.all_failures, k.drawn) else k.failed end::integer) x
        ) e
        where e.p < 0.0015
        order by week, number
        limit 1
    ) h
), placed as (
    -- last: of the weeks that a level's limits are made of; the latest eight of a level are judged by them.
    select l.*, s.unit, s.n, s.starts, s.y, s.noise, s.failures, s.deployments, k.better,
           lead(l.first) over later as next_first, lead(l.was_centre) over later as next_centre,
           lead(l.was_sigma) over later as next_sigma,
           least(s.n, greatest(l.first + 11, s.n - 8)) as last, s.n - l.first + 1 as history
    from levels l
    join series s using (metric_type, scope_type, scope_id)
    join core.metric_catalogue k using (metric_type)
    window later as (partition by l.metric_type, l.scope_type, l.scope_id order by l.first)
), limited as (
    select p.*, case when p.next_first is not null then p.next_centre when p.unit <> 'ratio' then b.centre
                     else (p.failures[p.last] - coalesce(p.failures[p.first - 1], 0))
                          / (p.deployments[p.last] - coalesce(p.deployments[p.first - 1], 0)) end as c,
           case when p.next_first is not null and p.unit <> 'ratio' then p.next_sigma when p.unit <> 'ratio' then b.sigma
                else 1 / (2 * sqrt((p.deployments[v.until] - coalesce(p.deployments[p.first - 1], 0))
                                   / (v.until - p.first + 1))) end as sigma
    from placed p
    cross join lateral (select coalesce(p.next_first - 1, p.last) as until) v
    cross join lateral (
        select q[2] as centre, greatest(moved / 0.954, (q[3] - q[1]) / 1.349, noise, 0.05) as sigma
        from (
            select percentile_cont(array[0.25, 0.5, 0.75]) within group (order by p.y[j]) as q,
                   percentile_cont(0.5) within group (order by abs(p.y[j] - p.y[j - 1])) filter (where j > p.first) as moved,
                   sqrt(avg(p.noise[j])) as noise
            from generate_series(p.first, p.last) j
        ) x
    ) b
), shown as (
    select l.*, has_limits, m.centre, m.lower, m.upper, w.stands,
           lag(m.lower) over later as previous_lower, lag(m.upper) over later as previous_upper
    from limited l
    cross join settings s
    -- A level that a shift began has limits from its fourth week on, the first one from its twelfth.
    cross join lateral (select l.next_first is not null or l.history >= case when l.side is null then 12 else 4 end as has_limits) h
    cross join lateral (
        select case l.unit when 'hours' then exp(l.c) when 'ratio' then l.c else greatest(l.c ^ 2 - 0.375, 0) / f.days end
                   as centre,
               case l.unit when 'hours' then exp(l.c - 3 * l.sigma)
                           when 'ratio' then sin(greatest(asin(sqrt(l.c)) - 3 * l.sigma, 0)) ^ 2
                           else greatest(greatest(l.c - 3 * l.sigma, 0) ^ 2 - 0.375, 0) / f.days end as lower,
               case l.unit when 'hours' then exp(l.c + 3 * l.sigma)
                           when 'ratio' then sin(least(asin(sqrt(l.c)) + 3 * l.sigma, pi() / 2)) ^ 2
                           else ((l.c + 3 * l.sigma) ^ 2 - 0.375) / f.days end as upper
        -- a week's count is shown per day, or as it is
        from (select case when l.unit = 'items' then 1.0 when s.working then 5.0 else 7.0 end as days) f
        where has_limits
        union all
        select null, null, null where not has_limits
    ) m
    -- A shift is told while the level after it is young, and as long as the latest weeks still show it.
    cross join lateral (
        select l.history < 12 and case
            when l.unit = 'ratio' then
                l.side * ((l.failures[l.n] - l.failures[l.n - 4]) / (l.deployments[l.n] - l.deployments[l.n - 4]) - l.was_centre) > 0
            else l.side * ((select percentile_cont(0.5) within group (order by l.y[j]) from generate_series(l.n - 2, l.n) j)
                           - l.was_centre) >= l.was_sigma end as stands
    ) w
    window later as (partition by l.metric_type, l.scope_type, l.scope_id order by l.first)
), worded as (
    select *, case when (side > 0) = (better = 'higher') then 'better' when side is not null then 'worse' end as direction,
           next_first is null as is_latest
    from shown
)
select
    metric_type, scope_type, scope_id, starts[first] as level_from, starts[next_first] as level_until,
    is_latest as is_current, centre, lower, upper,
    case when is_latest then case when side is not null and history < 12 then previous_lower else lower end end as usual_lower,
    case when is_latest then case when side is not null and history < 12 then previous_upper else upper end end as usual_upper,
    direction as shift, rule, starts[confirmed] + 7 as confirmed_on,
    case when not is_latest then null when side is null and history < 12 then 'not_enough_history'
         when stands then direction else 'usual' end as verdict,
    history as history_weeks, 12 as needed_weeks, unit
from worded
