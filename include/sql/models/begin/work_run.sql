-- Temporary table work_run: what this run of the flow models has to do.
-- Grain: one row.
-- inputs: a digest of what every item depends on. Another one than the last run's makes the run a full one.
select d.inputs, s.is_full or p.inputs is distinct from d.inputs as is_full,
       s.computed_through is distinct from s.today as is_new_day
from settings s
left join core.work_state p on true
cross join lateral (
    select md5(concat_ws(
        '|', s.time_zone, s.working, s.minimum_sample, s.jira_services,
        s.settings -> 'work.waiting_statuses', s.settings -> 'work.categories',
        (select string_agg(concat_ws(':', integration_id, id, category, name), ',' order by integration_id, id)
         from core.issue_statuses),
        (select string_agg(concat_ws(':', integration_id, id, key), ',' order by integration_id, id)
         from core.projects),
        (select string_agg(lower(name) || ':' || id, ',' order by lower(name), id) from live_services)
    )) as inputs
) d
