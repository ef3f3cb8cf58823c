-- One row per scope and status: where time goes. Hours in each status that is not a done status, of the items done in the
-- last 90 days.
select
    t.client_id, t.scope_type, t.scope_id,
    case t.scope_type when 'client' then core.say('All projects') else t.scope_id end as scope_name,
    t.status, t.status_category, case t.status_category when 'new' then 1 when 'indeterminate' then 2 else 3 end as status_order,
    t.median_hours, t.p75_hours, t.p90_hours, t.total_hours,
    t.total_hours / nullif(sum(t.total_hours) over (partition by t.client_id, t.scope_type, t.scope_id), 0) as time_share,
    t.sample_size, t.null_reason
from core.work_time_in_status t;
