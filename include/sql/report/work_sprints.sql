-- One row per sprint: what was planned, added, removed and completed. Items that were already done when they entered do not
-- count.
select
    s.client_id, s.integration_id, s.id as sprint_id, s.name as sprint_name, s.board_id, b.name as board_name, b.project_key,
    s.state, s.started_at, s.ends_at, s.completed_at, s.planned_items, s.planned_points, s.added_items, s.added_points,
    s.removed_items, s.removed_points, s.completed_items, s.completed_points, s.completed_planned_items,
    s.completion_ratio, s.null_reason, (s.started_at at time zone c.time_zone)::date::timestamp as started_day
from core.work_sprints s
join core.clients c on c.id = s.client_id
left join core.boards b on (b.client_id, b.integration_id, b.id) = (s.client_id, s.integration_id, s.board_id);
