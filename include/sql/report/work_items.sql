-- One row per Jira issue: the items behind the flow metrics.
select
    w.client_id, w.id as work_item_id, w.project_key, w.key, w.url, w.issue_type, w.is_bug, w.is_incident, w.summary,
    w.status, w.status_category, w.service_id, s.name as service_name, w.story_points, w.created_at, w.started_at,
    w.done_at, w.created_on, w.started_on, w.done_on, w.cycle_time_hours, w.lead_time_hours, w.reopened_count,
    w.reopened_count > 0 as was_reopened,
    w.started_on is not null and w.done_on is null and w.status_category <> 'done' as is_in_progress,
    core.display_text('hours', w.cycle_time_hours) as cycle_time_text,
    core.display_text('hours', w.lead_time_hours) as lead_time_text,
    w.epic_key, w.epic_name, array_to_string(w.fix_versions, ', ') as version_names, w.is_epic, w.is_subtask,
    coalesce(nullif(w.category, ''), 'Other work') as category, w.is_unplanned,
    case when w.is_unplanned then 'Unplanned' else 'Planned' end as planned_text, w.waiting_hours,
    date_trunc('month', w.done_on)::timestamp as done_month
from core.work_items w
left join core.services s on (s.client_id, s.id) = (w.client_id, w.service_id);
