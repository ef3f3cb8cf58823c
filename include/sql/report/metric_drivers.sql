-- One row per part of a change in a metric of the client: what it adds to the difference between the two sides.
select
    d.client_id, d.metric_type, core.say(k.metric_label) as metric_label, k.sort_order, k.unit, d.comparison, c.before_from, c.before_until, c.now_from,
    c.now_until, c.value_before as metric_before, c.value_now as metric_now, c.mean_before, c.mean_now,
    nullif(d.service_id, '') as service_id, coalesce(s.name, 'No service') as service_name, d.effect,
    core.effect_label(d.effect) as effect_label,
    d.contribution, d.contribution * k.factor as display_contribution, core.difference_text(k.unit, d.contribution) as contribution_text,
    d.cases_before, d.cases_now, d.value_before, d.value_now
from core.metric_drivers d
join core.metric_comparisons c
  on (c.client_id, c.metric_type, c.comparison) = (d.client_id, d.metric_type, d.comparison)
join core.metric_catalogue k on k.metric_type = d.metric_type
left join core.services s on (s.client_id, s.id) = (d.client_id, d.service_id);
