-- One row per merged pull request of the last 13 months that is not automation's: whether it was made with AI, as far as it shows.
--
-- Of a monorepo, the whole pull request counts once, with its largest part. A change counts as failed when the release that
-- brought it to production failed, and as undone when a later change reverted it.
select distinct on (c.client_id, c.integration_id, c.pull_request_id)
    c.client_id, c.id as change_id, c.service_id, s.name as service_name, c.number, c.title, c.url,
    c.merged_at at time zone k.time_zone as merged, c.merged_on, date_trunc('month', c.merged_on)::timestamp as merged_month,
    c.ai, case c.ai when 'agent' then '1 ' || core.say('By a coding agent') when 'assistant' then '2 ' || core.say('With an assistant') else '3 ' || core.say('No sign of AI') end as ai_text,
    c.ai is not null as is_ai, c.merged_on > t.computed_through - 90 as is_recent, c.assisted_by, array_to_string(c.assisted_by, ', ') as tools_text,
    c.additions::bigint + c.deletions as size_lines,
    width_bucket(c.additions::bigint + c.deletions, array[10, 50, 200, 1000]::bigint[]) as size_band,
    date_trunc('quarter', c.merged_on)::date as quarter,
    c.pickup_hours, l.lead_time_hours, l.lead_time_hours / 24 as lead_time_days, l.exclusion_reason is null as in_lead_time,
    d.failed_change as is_failed,
    exists (select from core.changes r where r.client_id = c.client_id and r.reverts_change_id = c.id) as is_undone
from core.dora_state t
join core.clients k on k.id = t.client_id
join core.changes c on c.client_id = t.client_id and c.merged_on <= t.computed_through
    and c.merged_on >= date_trunc('month', t.computed_through) - interval '12 months'
join core.services s on (s.client_id, s.id) = (c.client_id, c.service_id)
left join core.deployment_changes l on (l.client_id, l.change_id) = (c.client_id, c.id)
left join core.deployments d on (d.client_id, d.id) = (l.client_id, l.deployment_id)
where c.pull_request_id is not null and not c.is_bot and not c.carries_others
order by c.client_id, c.integration_id, c.pull_request_id, c.additions::bigint + c.deletions desc, c.id;
