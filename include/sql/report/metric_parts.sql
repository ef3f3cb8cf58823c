-- One row per service or stage that a sentence names as part of a metric's change (comparison "shift"), with the link to its rows.
-- Of the services, and of the stages: the largest if it makes up a third of the change, and the second if it makes up a quarter.
with moves as (
    select c.*, coalesce(c.mean_now - c.mean_before, c.value_now - c.value_before) as total
    from core.metric_comparisons c
    where c.comparison = 'shift'
), parts as (
    select client_id, metric_type, 1 as kind, service_id as part, sum(contribution) as contribution
    from core.metric_drivers
    where comparison = 'shift'
    group by 1, 2, 3, 4
    union all
    select client_id, metric_type, 2, effect, sum(contribution)
    from core.metric_drivers
    where comparison = 'shift' and effect in ('coding', 'pickup', 'review', 'merge_to_deploy')
    group by 1, 2, 3, 4
), ranked as (
    select p.*, m.before_from, m.now_until, m.total, p.contribution / m.total as share, count(*) over (of_kind) as n,
           max(p.contribution / m.total) over of_kind as largest_share,
           row_number() over (of_kind order by p.contribution / m.total desc, p.part) as place
    from parts p
    join moves m on (m.client_id, m.metric_type) = (p.client_id, p.metric_type) and m.total <> 0
     and sign(m.total) = sign(m.value_now - m.value_before)
    window of_kind as (partition by p.client_id, p.metric_type, p.kind)
)
select
    r.client_id, r.metric_type, core.say(k.metric_label) as metric_label, k.sort_order,
    row_number() over (partition by r.client_id, r.metric_type order by r.kind, r.place) as clause,
    case r.kind when 1 then 'service' else 'stage' end as kind, case when r.kind = 1 then nullif(r.part, '') end as service_id,
    l.label, s.name as service_name, case when r.kind = 2 then r.part end as stage, r.contribution, r.share,
    l.label || ' (' || core.difference_text(k.unit, r.contribution) || ')' as part_text,
    core.difference_text(k.unit, r.total) as total_text,
    '/pulse/rows/?metric=' || r.metric_type || '&from=' || r.before_from || '&to=' || r.now_until
        || coalesce('&service=' || core.url_part(s.name), '') as rows_path
from ranked r
join core.metric_catalogue k on k.metric_type = r.metric_type
left join core.services s on r.kind = 1 and (s.client_id, s.id) = (r.client_id, r.part)
cross join lateral (
    select case when r.kind = 2 then core.within_sentence(core.effect_label(r.part)) when r.part = '' then core.say('incidents without a service')
                else coalesce(s.name, r.part) end as label
) l
where r.n > 1 and r.largest_share >= 1.0 / 3 and (r.place = 1 or r.place = 2 and r.share >= 0.25);
