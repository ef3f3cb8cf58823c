-- Temporary table moved_deployments: the successful production deployments that this run added, took away or changed in what
-- links depend on.
-- Grain: one row per version of a deployment, before and after.
select d.id, d.service_id, d.environment, d.contains_to, d.contains_after, d.finished_at, d.sha, d.url,
       d.ref_name, d.version
from deployments_changed c
cross join unnest(array[c.before, c.after]) d
where d.environment_tier = 'production' and d.result = 'success'
  and row((c.before).service_id, (c.before).environment, (c.before).environment_tier, (c.before).result,
          (c.before).position, (c.before).contains_after, (c.before).created_at, (c.before).finished_at, (c.before).sha,
          (c.before).url, (c.before).ref_name, (c.before).version, (c.before).kind, (c.before).contains_to,
          (c.before).is_baseline, (c.before).is_trial)
      is distinct from row((c.after).service_id, (c.after).environment, (c.after).environment_tier, (c.after).result,
          (c.after).position, (c.after).contains_after, (c.after).created_at, (c.after).finished_at, (c.after).sha,
          (c.after).url, (c.after).ref_name, (c.after).version, (c.after).kind, (c.after).contains_to,
          (c.after).is_baseline, (c.after).is_trial)
