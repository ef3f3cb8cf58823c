-- Temporary table pull_request_numbers: size, review depth, rework cycles, unreviewed and reopened pull requests.
-- Grain: one row per metric and cell.
select m.metric_type, c.cell_id, v.n as sample_size, m.numerator, m.denominator, m.value as metric_value,
       m.p as percentiles, null::double precision as calendar_value, 0 as guessed
from cells c
cross join lateral (
    select count(*) as n, percentile_cont(array[0.5, 0.75, 0.9]) within group (order by x.size) as size,
           percentile_cont(array[0.5, 0.75, 0.9]) within group (order by x.depth) as depth, sum(x.cycles) as cycles,
           sum(x.unreviewed) as unreviewed, sum(x.reopened) as reopened, nullif(count(*), 0)::double precision as divisor
    from merged_pull_requests x
    where x.scope_no = c.scope_no and x.day >= c.period_start and x.day < c.period_end
) v
cross join lateral (
    values ('pull_request_size', null::bigint, null::bigint, v.size[1], v.size),
           ('review_depth', null, null, v.depth[1], v.depth),
           ('rework_cycles', v.cycles, null, v.cycles / v.divisor, null),
           ('merged_without_review', coalesce(v.unreviewed, 0), v.n, v.unreviewed / v.divisor, null),
           ('reopened_pull_requests', coalesce(v.reopened, 0), v.n, v.reopened / v.divisor, null)
) m (metric_type, numerator, denominator, value, p)
where c.family = 'pull_requests' and (c.has_reasons or v.n > 0)
