-- Table core.work_sprints: what was planned, added, removed and completed in a sprint.
-- Grain: one row per sprint that is not deleted.
-- Per: integration_id, id of select integration_id, id from core.sprints
select integration_id, id from touched_sprints
union
select i.integration_id, i.sprint_id
from work_sprint_items_changed c cross join unnest(array[c.before, c.after]) i
;
select s.integration_id, s.id, s.board_id, s.name, s.state, s.started_at, s.ends_at, s.completed_at, begun.*,
       begun.completed_planned_items::double precision / nullif(begun.planned_items, 0) as completion_ratio,
       case when begun.planned_items is null then 'not_started' when begun.planned_items = 0 then 'nothing_planned' end
           as null_reason
from touched t
join core.sprints s on (s.integration_id, s.id) = (t.integration_id, t.id) and s.deleted_at is null
left join lateral (
    select count(*) filter (where i.is_planned) as planned_items, count(*) filter (where i.is_added) as added_items,
           count(*) filter (where i.is_removed) as removed_items,
           count(*) filter (where i.is_completed) as completed_items,
           count(*) filter (where i.is_completed and i.is_planned) as completed_planned_items,
           coalesce(sum(i.entry_points) filter (where i.is_planned), 0) as planned_points,
           coalesce(sum(i.entry_points) filter (where i.is_added), 0) as added_points,
           coalesce(sum(i.entry_points) filter (where i.is_removed), 0) as removed_points,
           coalesce(sum(i.end_points) filter (where i.is_completed), 0) as completed_points
    from core.work_sprint_items i
    where (i.integration_id, i.sprint_id) = (s.integration_id, s.id)
) begun on s.state <> 'future' and s.started_at is not null
