-- One row per part of a change in a median of the client: what the median would be now, had this part stayed as it was.
select
    r.client_id, r.metric_type, core.say(k.metric_label) as metric_label, k.sort_order, k.unit, r.comparison, c.before_from, c.before_until, c.now_from,
    c.now_until, c.value_before as metric_before, c.value_now as metric_now, r.kind, r.part,
    case r.part when 'residual' then 'Not explained by one part' when '' then 'No service'
                else coalesce(case r.kind when 'stage' then core.effect_label(r.part) end, s.name, initcap(r.part)) end as part_label,
    r.replayed, r.contribution, core.display_text(k.unit, r.replayed) as replayed_text,
    core.difference_text(k.unit, r.contribution) as contribution_text
from core.metric_replays r
join core.metric_comparisons c
  on (c.client_id, c.metric_type, c.comparison) = (r.client_id, r.metric_type, r.comparison)
join core.metric_catalogue k on k.metric_type = r.metric_type
left join core.services s on (s.client_id, s.id) = (r.client_id, r.part);
