-- One row per step from a metric's earlier value to its later one, by service or by stage: the bars of a waterfall.
--
-- The first step is the earlier value (of hours, the mean), the others are what each part adds; they end at the later value.
-- The six largest parts have a step of their own.
with parts as (
    select client_id, metric_type, comparison, 'service' as kind, service_id as part, sum(contribution) as contribution
    from core.metric_drivers
    group by 1, 2, 3, 4, 5
    union all
    select client_id, metric_type, comparison, 'stage', effect, sum(contribution)
    from core.metric_drivers
    where metric_type = 'lead_time_for_changes'
    group by 1, 2, 3, 4, 5
), ranked as (
    select *, row_number() over (partition by client_id, metric_type, comparison, kind order by abs(contribution) desc, part) as place
    from parts
), steps as (
    select r.client_id, r.metric_type, r.comparison, r.kind, least(r.place, 7) as place,
           case when r.place < 7 then min(l.label) else core.say('All others') end as label, sum(r.contribution) as amount
    from ranked r
    left join core.services s on r.kind = 'service' and (s.client_id, s.id) = (r.client_id, r.part)
    cross join lateral (
        select case r.kind when 'service' then coalesce(s.name, core.say('No service')) else core.effect_label(r.part) end as label
    ) l
    group by r.client_id, r.metric_type, r.comparison, r.kind, least(r.place, 7), r.place < 7
    union all
    select client_id, metric_type, comparison, k.kind, 0, core.say('Before'), coalesce(mean_before, value_before)
    from core.metric_comparisons
    cross join (values ('service'), ('stage')) k (kind)
    where k.kind = 'service' or metric_type = 'lead_time_for_changes'
)
select
    t.client_id, t.metric_type, core.say(k.metric_label) as metric_label, k.sort_order, k.unit, t.comparison, t.kind, t.place as step,
    (t.place + 1) || ' ' || t.label as step_label, t.amount * k.factor as amount,
    case when t.place = 0 then core.display_text(k.unit, t.amount) else core.difference_text(k.unit, t.amount) end as amount_text,
    c.before_from, c.before_until, c.now_from, c.now_until
from steps t
join core.metric_comparisons c
  on (c.client_id, c.metric_type, c.comparison) = (t.client_id, t.metric_type, t.comparison)
join core.metric_catalogue k on k.metric_type = t.metric_type;
