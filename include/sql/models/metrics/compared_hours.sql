-- Temporary table compared_hours: the durations on both sides of a comparison.
-- Grain: one row per metric, comparison and fact: delivered change, recovered failure or resolved incident.
-- Stages of a lead time add up to its hours: other is what lies in no stage. A lead time that starts when the pull request was
-- opened has no coding.
-- Index: (metric_type, comparison)
select f.*, f.hours - coalesce(f.coding, 0) - coalesce(f.pickup, 0) - coalesce(f.review, 0) - coalesce(f.merge_to_deploy, 0)
    as other
from (
    select w.metric_type, w.comparison, l.deployed_on >= w.now_from as is_now, l.service_id, l.lead_time_hours as hours,
           case when s.start_event <> 'opened' then l.coding_hours end as coding, l.pickup_hours as pickup,
           l.review_hours as review, l.merge_to_deploy_hours as merge_to_deploy
    from compared_windows w
    cross join settings s
    join core.deployment_changes l
      on l.exclusion_reason is null and l.deployed_at >= w.before_from::timestamp at time zone s.time_zone - interval '1 day'
     and l.deployed_on >= w.before_from and l.deployed_on < w.now_until
    where w.family = 'delivery'
    union all
    select w.metric_type, w.comparison, d.recovered_on >= w.now_from, d.service_id, d.recovery_hours, null, null, null, null
    from compared_windows w
    join core.deployments d
      on d.counts and d.failed_change and d.recovered_on >= w.before_from and d.recovered_on < w.now_until
    where w.metric_type = 'failed_deployment_recovery_time' and d.recovery_hours is not null
    union all
    select w.metric_type, w.comparison, i.resolved_on >= w.now_from, coalesce(i.service_id, ''), i.time_to_restore_hours,
           null, null, null, null
    from compared_windows w
    join core.incidents i on i.resolved_on >= w.before_from and i.resolved_on < w.now_until
    where w.metric_type = 'time_to_restore' and i.time_to_restore_hours is not null
) f
