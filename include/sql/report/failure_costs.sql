-- One row per failed release of the last 13 months: the hours until it was recovered, the hours of repair, and money where the
-- client has given its rates.
--
-- Repair: the hotfixes and reverts that a repairing deployment of the service delivered until the failure was recovered, each from
-- its first commit to production.
select
    d.client_id, c.name as client_name, d.id as deployment_id, d.service_id, s.name as service_name, d.finished_at at time zone c.time_zone as failed_at,
    date_trunc('month', d.finished_on)::timestamp as failed_month, d.failure_reason, d.is_guess,
    coalesce(d.url, d.environment_url) as url, coalesce(core.deployment_name(d.ref_name, d.sha), core.say('release')) as release_name,
    d.recovery_hours, r.repair_hours, r.repairs,
    case when d.recovery_hours is not null then core.display_text('hours', d.recovery_hours) else core.say('not recovered yet') end as recovery_text,
    case when r.repairs > 0 then core.display_text('hours', r.repair_hours) else core.say('none found') end as repair_text,
    coalesce(d.recovery_hours * k.hour_of_failure, 0) + coalesce(r.repair_hours * k.hour_of_work, 0) as money,
    k.currency,
    case when k.currency is not null
         then core.figures(to_char(coalesce(d.recovery_hours * k.hour_of_failure, 0) + coalesce(r.repair_hours * k.hour_of_work, 0), 'FM999,999,999,990'))
              || ' ' || k.currency end as money_text
from core.dora_state t
join core.clients c on c.id = t.client_id
join core.deployments d on d.client_id = t.client_id and d.environment_tier = 'production'
    and d.finished_on >= date_trunc('month', t.computed_through) - interval '12 months'
join core.services s on (s.client_id, s.id) = (d.client_id, d.service_id)
left join lateral (
    -- no currency, or no rate: no money
    select case when max(v) filter (where key = 'hour_of_failure') is not null or max(v) filter (where key = 'hour_of_work') is not null
                then max(v) filter (where key = 'currency') end as currency,
           (max(v) filter (where key = 'hour_of_failure'))::double precision as hour_of_failure,
           (max(v) filter (where key = 'hour_of_work'))::double precision as hour_of_work
    from (select replace(x.setting_key, 'cost.', '') as key, x.setting_value #>> '{}' as v
          from core.system_settings x where x.client_id = d.client_id and x.setting_key like 'cost.%') x
) k on true
cross join lateral (
    select coalesce(sum(l.lead_time_hours), 0) as repair_hours, count(*) as repairs
    from core.deployments f
    join core.deployment_changes l on (l.client_id, l.deployment_id) = (f.client_id, f.id)
    join core.changes h on (h.client_id, h.id) = (l.client_id, l.change_id) and (h.is_hotfix or h.is_revert)
    where (f.client_id, f.service_id) = (d.client_id, d.service_id) and f.environment_tier = 'production' and f.result = 'success'
      and f.is_rework and f.finished_at > d.finished_at and f.finished_at <= d.recovered_at + interval '1 day'
) r
where d.counts and d.failed_change;
