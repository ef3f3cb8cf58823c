-- Temporary table moved_facts: the facts that count in numbers and that this run added, took away or changed.
-- Grain: one row per fact and version of it, before and after; with the service (of a work item: the project) and day that
-- this version counts in.
-- what: added, changed or removed.
-- Index: (family, day)
select 'deployments' as family, d.service_id, d.finished_on as day, d.id as fact_id,
       case when c.before is null then 'added' when c.after is null then 'removed' else 'changed' end as what
from deployments_changed c
cross join unnest(array[c.before, c.after]) d
where d.environment_tier = 'production'
  and row((c.before).service_id, (c.before).finished_on, (c.before).result, (c.before).environment_tier, (c.before).kind)
      is distinct from
      row((c.after).service_id, (c.after).finished_on, (c.after).result, (c.after).environment_tier, (c.after).kind)
union all
select 'deployments', (after).service_id, (after).finished_on, (after).id, 'changed'
from releases_changed
where (after).environment_tier = 'production' and (before).counts <> (after).counts
union all
select 'deployments', (after).service_id, (after).finished_on, (after).id, 'changed'
from deployment_outcomes_changed
where (after).environment_tier = 'production'
  and row((before).failed_change, (before).is_guess, (before).is_rework)
      is distinct from row((after).failed_change, (after).is_guess, (after).is_rework)
union all
-- A recovery is of the failed release; each file that writes the table may have changed what counts of it.
select 'recovery', d.service_id, d.recovered_on, d.id, 'changed'
from (
    select before, after from deployments_changed
    union all
    select before, after from releases_changed
    union all
    select before, after from deployment_outcomes_changed
) c
cross join unnest(array[c.before, c.after]) d
where d.recovered_on is not null
  and row((c.before).service_id, (c.before).counts, (c.before).failed_change, (c.before).is_guess, (c.before).recovered_on,
          (c.before).recovery_hours)
      is distinct from row((c.after).service_id, (c.after).counts, (c.after).failed_change, (c.after).is_guess,
          (c.after).recovered_on, (c.after).recovery_hours)
union all
select 'delivery', l.service_id, l.deployed_on, l.change_id,
       case when c.after is null then 'removed'
            when (c.before).change_id is null or (c.before).exclusion_reason is not null then 'added' else 'changed' end
from deployment_changes_changed c
cross join unnest(array[c.before, c.after]) l
where l.change_id is not null and l.exclusion_reason is null
  and row((c.before).service_id, (c.before).deployed_on, (c.before).lead_time_hours, (c.before).coding_hours,
          (c.before).pickup_hours, (c.before).review_hours, (c.before).merge_to_deploy_hours, (c.before).exclusion_reason)
      is distinct from row((c.after).service_id, (c.after).deployed_on, (c.after).lead_time_hours, (c.after).coding_hours,
          (c.after).pickup_hours, (c.after).review_hours, (c.after).merge_to_deploy_hours, (c.after).exclusion_reason)
union all
select 'recovery', i.service_id, i.resolved_on, i.id,
       case when c.after is null then 'removed' when (c.before).resolved_on is null then 'added' else 'changed' end
from incidents_changed c
cross join unnest(array[c.before, c.after]) i
where i.resolved_on is not null
  and row((c.before).service_id, (c.before).resolved_at, (c.before).time_to_restore_hours)
      is distinct from row((c.after).service_id, (c.after).resolved_at, (c.after).time_to_restore_hours)
union all
select 'pull_requests', x.service_id, x.merged_on, x.id,
       case when c.before is null then 'added' when c.after is null then 'removed' else 'changed' end
from changes_changed c
cross join unnest(array[c.before, c.after]) x
where x.id is not null
  and row((c.before).merged_on, (c.before).service_id, (c.before).is_bot, (c.before).additions, (c.before).deletions,
          (c.before).review_count, (c.before).comment_count, (c.before).changes_requested_count,
          (c.before).reopened_count, (c.before).is_reviewed, (c.before).carries_others)
      is distinct from row((c.after).merged_on, (c.after).service_id, (c.after).is_bot, (c.after).additions,
          (c.after).deletions, (c.after).review_count, (c.after).comment_count, (c.after).changes_requested_count,
          (c.after).reopened_count, (c.after).is_reviewed, (c.after).carries_others)
union all
select 'work', project_key, day, id, what from moved_items
