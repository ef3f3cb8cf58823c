-- Temporary table work_numbers: throughput, cycle_time, lead_time, work_in_progress, reopened_share, bug_share and incident_load.
-- Grain: one row per metric and cell.
select m.metric_type, c.cell_id, m.n as sample_size, case when m.n > 0 then m.part end as numerator,
       case when m.n > 0 and m.part is not null then m.n end as denominator,
       coalesce(m.p[1], m.part / nullif(m.n, 0)::double precision, m.n) as metric_value, m.p as percentiles,
       null::double precision as calendar_value, 0 as guessed
from cells c
cross join lateral (
    select count(*) as n, count(*) filter (where w.is_bug) as bugs, count(*) filter (where w.was_reopened) as reopened,
           count(w.cycle_time_hours) as cycles, count(w.lead_time_hours) as leads,
           percentile_cont(array[0.5, 0.75, 0.9]) within group (order by w.cycle_time_hours) as cycle,
           percentile_cont(array[0.5, 0.75, 0.9]) within group (order by w.lead_time_hours) as lead
    from finished_items w
    where w.scope_no = c.scope_no and w.day >= c.period_start and w.day < c.period_end
) d
cross join lateral (
    select coalesce(sum(k.created), 0) as n, coalesce(sum(k.incidents), 0) as incidents
    from work_days k
    where k.scope_no = c.scope_no and k.day >= c.period_start and k.day < c.period_end
) a
left join lateral (
    select k.in_progress from work_days k
    where k.scope_no = c.scope_no and k.day < c.until_day
    order by k.day desc limit 1
) l on true
cross join lateral (
    values ('throughput', d.n, null, null, true), ('cycle_time', d.cycles, null, d.cycle, false),
           ('lead_time', d.leads, null, d.lead, false), ('work_in_progress', coalesce(l.in_progress, 0), null, null, true),
           ('reopened_share', d.n, d.reopened, null, false), ('bug_share', d.n, d.bugs, null, false),
           ('incident_load', a.n, a.incidents, null, false)
) m (metric_type, n, part, p, is_count)
where c.family = 'work' and (c.has_reasons or m.is_count or m.n > 0)
