-- One row per sprint and item that counts in it: the items behind a sprint's numbers.
select
    i.client_id, i.integration_id, i.sprint_id, s.name as sprint_name, i.work_item_id, w.key, w.url, w.issue_type, w.summary,
    w.status, i.joined_at, i.left_at, i.is_planned, i.is_added, i.is_removed, i.is_completed, i.entry_points, i.end_points
from core.work_sprint_items i
join core.work_sprints s on (s.client_id, s.integration_id, s.id) = (i.client_id, i.integration_id, i.sprint_id)
join core.work_items w on (w.client_id, w.id) = (i.client_id, i.work_item_id)
where i.is_planned or i.is_added;
