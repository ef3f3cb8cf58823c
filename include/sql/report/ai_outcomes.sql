-- One row per client and measure: changes made with AI beside comparable others, over the last 180 days.
--
-- Comparable: of the same service, band of size and quarter. Where a group holds only one kind, nothing of it counts. The others
-- are weighted to the mix of the changes with AI. The test is the Wilcoxon test stratified by group (van Elteren 1960), for
-- shares as well, with the exact variance of tied ranks. A difference is told from |z| 3.09 on: chance alone reaches it in 1 of 500
-- measures, and in 1 of 100 pages of these five. It is a comparison and not an experiment: who uses AI for what is not known.
with measured as (
    select a.client_id, m.measure, a.is_ai,
           -- Size itself is compared within service and quarter only.
           (a.service_id, case when m.measure <> 'size' then a.size_band end, a.quarter)::text as group_key, m.value
    from core.dora_state t
    join report.ai_changes a on a.client_id = t.client_id and a.merged_on > t.computed_through - 180
    cross join lateral (
        values ('lead_time', case when a.in_lead_time then a.lead_time_hours end), ('review_wait', a.pickup_hours),
               ('size', a.size_lines::double precision), ('failed', a.is_failed::integer::double precision),
               ('undone', a.is_undone::integer::double precision)
    ) m (measure, value)
    where m.value is not null
), ranked as (
    select client_id, measure, group_key, is_ai, value, count(*) over g as n, count(*) filter (where is_ai) over g as n_ai,
           -- the middle of the ranks that equal values share
           rank() over (partition by client_id, measure, group_key order by value)
               + (count(*) over (partition by client_id, measure, group_key, value) - 1) / 2.0 as place
    from measured
    window g as (partition by client_id, measure, group_key)
), comparable as (
    select *, case when is_ai then 1.0 else n_ai::double precision / (n - n_ai) end as weight
    from ranked
    where n_ai > 0 and n_ai < n
), grouped as (
    select client_id, measure, group_key, n, n_ai, sum(place) filter (where is_ai) - n_ai * (n + 1) / 2.0 as excess,
           n_ai * (n - n_ai) / (n * (n - 1.0)) * sum((place - (n + 1) / 2.0) ^ 2) as variance
    from comparable
    group by client_id, measure, group_key, n, n_ai
), tested as (
    select client_id, measure, sum(n_ai) as n_ai, sum(n - n_ai) as n_others,
           sum(excess / (n + 1)) / nullif(sqrt(sum(variance / (n + 1.0) ^ 2)), 0) as z
    from grouped
    group by client_id, measure
), halves as (
    select client_id, measure, is_ai, value, weight,
           sum(weight) over (partition by client_id, measure, is_ai order by value, group_key, place) as upto,
           sum(weight) over (partition by client_id, measure, is_ai) as whole
    from comparable
), typical as (
    select client_id, measure,
           min(value) filter (where is_ai and upto >= whole / 2) as median_ai,
           min(value) filter (where not is_ai and upto >= whole / 2 - 1e-9) as median_others,
           avg(value) filter (where is_ai) as mean_ai,
           sum(value * weight) filter (where not is_ai) / nullif(sum(weight) filter (where not is_ai), 0) as mean_others
    from halves
    group by client_id, measure
)
select
    s.client_id, c.name as client_name, k.measure, k.sort_order, k.question, k.term,
    coalesce(e.n_ai, 0) as changes_with_ai, coalesce(e.n_others, 0) as comparable_others, v.enough,
    case when k.is_share then y.mean_ai else y.median_ai end as value_with_ai,
    case when k.is_share then y.mean_others else y.median_others end as value_others, e.z::double precision as z,
    case when v.enough then v.text_with_ai else '—' end as with_ai_text,
    case when v.enough then v.text_others else '—' end as others_text,
    case when not v.enough
             then core.say('not enough yet: 20 of each are needed')
         when coalesce(abs(e.z), 0) < 3.09 then core.say('no difference beyond chance')
         when e.z > 0 then k.more else k.less end as verdict_text,
    case when not v.enough or coalesce(abs(e.z), 0) < 3.09 then 'none' when k.measure = 'size' then 'differs'
         when e.z > 0 then 'worse' else 'better' end as verdict
from core.dora_state s
join core.clients c on c.id = s.client_id
cross join (
    values ('lead_time', 1, core.say('From first commit to production'), core.say('median lead time'), false,
            core.say('slower, beyond chance'), core.say('faster, beyond chance')),
           ('review_wait', 2, core.say('Wait for a first review'), core.say('median review wait'), false,
            core.say('longer, beyond chance'), core.say('shorter, beyond chance')),
           ('size', 3, core.say('Lines changed'), core.say('median size'), false,
            core.say('larger, beyond chance'), core.say('smaller, beyond chance')),
           ('failed', 4, core.say('Came with a release that failed'), core.say('share of changes'), true,
            core.say('more often, beyond chance'), core.say('less often, beyond chance')),
           ('undone', 5, core.say('Undone by a later revert'), core.say('share of changes'), true,
            core.say('more often, beyond chance'), core.say('less often, beyond chance'))
) k (measure, sort_order, question, term, is_share, more, less)
left join tested e on (e.client_id, e.measure) = (s.client_id, k.measure)
left join typical y on (y.client_id, y.measure) = (s.client_id, k.measure)
cross join lateral (
    select coalesce(e.n_ai >= 20 and e.n_others >= 20, false) as enough,
           case when k.is_share then core.display_text('ratio', y.mean_ai) when k.measure = 'size' then format(core.say('%s lines'), round(y.median_ai))
                else core.display_text('hours', y.median_ai) end as text_with_ai,
           case when k.is_share then core.display_text('ratio', y.mean_others) when k.measure = 'size' then format(core.say('%s lines'), round(y.median_others))
                else core.display_text('hours', y.median_others) end as text_others
) v;
