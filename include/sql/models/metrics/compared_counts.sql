-- Temporary table compared_counts: what releases count on both sides of a comparison.
-- Grain: one row per metric, comparison, side and service with production deployments. n of whole have it.
select w.metric_type, w.comparison, p.is_now, d.service_id,
       case w.metric_type when 'deployment_rework_rate' then count(*) filter (where d.counts or d.is_rollback)
                          else count(*) filter (where d.counts) end as whole,
       case w.metric_type when 'change_failure_rate' then count(*) filter (where d.counts and d.failed_change)
                          when 'deployment_rework_rate'
                              then count(*) filter (where (d.counts or d.is_rollback) and d.is_rework)
                          else count(*) filter (where d.counts) end as n
from compared_windows w
cross join lateral (values (false, w.before_from, w.before_until), (true, w.now_from, w.now_until)) p (is_now, from_day, until_day)
join core.deployments d
  on d.environment_tier = 'production' and d.finished_on >= p.from_day and d.finished_on < p.until_day
where w.family = 'deployments'
group by 1, 2, 3, 4
