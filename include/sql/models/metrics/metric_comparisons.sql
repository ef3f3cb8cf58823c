-- Table core.metric_comparisons: what a number of the client is compared with: both sides, with their days and values.
-- Grain: one row per metric and comparison.
-- Per: metric_type, comparison of select metric_type, comparison from compared_metrics
select metric_type, comparison from compared_metrics
;
with counts as (
    select metric_type, comparison, sum(n) filter (where not is_now) as n_before, sum(n) filter (where is_now) as n_now,
           sum(whole) filter (where not is_now) as whole_before, sum(whole) filter (where is_now) as whole_now
    from compared_counts
    group by 1, 2
), hours as (
    select metric_type, comparison, count(*) filter (where not is_now) as n_before, count(*) filter (where is_now) as n_now,
           percentile_cont(0.5) within group (order by hours) filter (where not is_now) as median_before,
           percentile_cont(0.5) within group (order by hours) filter (where is_now) as median_now,
           (avg(hours::numeric) filter (where not is_now))::double precision as mean_before,
           (avg(hours::numeric) filter (where is_now))::double precision as mean_now
    from compared_hours
    group by 1, 2
), measured as (
    select w.metric_type, w.comparison, w.before_from, w.before_until, w.now_from, w.now_until,
           case w.unit when 'per_day' then coalesce(w.before_value, c.n_before / nullif(d.before, 0)::double precision)
                       when 'ratio' then c.n_before / nullif(c.whole_before, 0)::double precision
                       else h.median_before end as value_before,
           case w.unit when 'per_day' then coalesce(w.now_value, c.n_now / nullif(d.now, 0)::double precision)
                       when 'ratio' then c.n_now / nullif(c.whole_now, 0)::double precision
                       else h.median_now end as value_now,
           h.mean_before, h.mean_now, coalesce(h.n_before, c.whole_before, 0) as cases_before,
           coalesce(h.n_now, c.whole_now, 0) as cases_now
    from touched t
    join compared_windows w using (metric_type, comparison)
    cross join settings s
    left join counts c using (metric_type, comparison)
    left join hours h using (metric_type, comparison)
    cross join lateral (
        -- of a signal's weeks; published numbers have theirs
        select count(*) filter (where x < w.now_from) as before, count(*) filter (where x >= w.now_from) as now
        from generate_series(w.before_from, w.now_until - 1, interval '1 day') x
        where w.comparison = 'shift' and w.unit = 'per_day'
          and (not s.working or exists (select from core.client_calendar k where k.day = x::date and k.is_working))
    ) d
)
select m.metric_type, m.comparison, m.before_from, m.before_until, m.now_from, m.now_until, m.value_before, m.value_now,
       m.mean_before, m.mean_now, m.cases_before, m.cases_now
from measured m
where m.value_before is not null and m.value_now is not null
