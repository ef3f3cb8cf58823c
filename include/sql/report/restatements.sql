-- One row per published number of an ended period that has changed, or whose tier alone has: what it was, what it is, and why.
select r.client_id, r.restated_at, r.metric_type, core.say(k.metric_label) as metric_label, r.grain, r.scope_type, r.scope_id,
       case when r.scope_type <> 'client' then coalesce(s.name, r.scope_id) when k.family = 'work' then core.say('All projects')
            else core.say('All services') end as scope_name,
       r.calculation_date,
       r.old_value, r.new_value,
       core.display_text(k.unit, r.old_value) || case when x.is_tier_only then ' (' || coalesce(core.say(initcap(r.old_tier)), core.say('no tier')) || ')'
                                                      else '' end as old_text,
       core.display_text(k.unit, r.new_value) || case when x.is_tier_only then ' (' || coalesce(core.say(initcap(r.new_tier)), core.say('no tier')) || ')'
                                                      else '' end as new_text,
       r.old_sample_size, r.new_sample_size, r.old_tier, r.new_tier, r.reason, core.cause_text(r.cause) as cause, r.evidence
from core.dora_restatements r
join core.metric_catalogue k on k.metric_type = r.metric_type
left join core.services s on r.scope_type in ('service', 'repository') and (s.client_id, s.id) = (r.client_id, r.scope_id)
cross join lateral (
    select (r.old_value, r.old_sample_size) is not distinct from (r.new_value, r.new_sample_size) as is_tier_only
) x;
