-- Table core.work_scopes: from which day on the client, or a project, has items.
-- Grain: one row per scope.
-- Per: scope_type, scope_id
select distinct s.scope_type, s.scope_id
from work_items_changed c cross join unnest(array[c.before, c.after]) w
cross join lateral (values ('client', ''), ('project', w.project_key)) s (scope_type, scope_id)
;
select s.scope_type, s.scope_id, min(least(w.created_on, w.started_on, w.done_on)) as first_day
from core.work_items w
cross join lateral (values ('client', ''), ('project', w.project_key)) s (scope_type, scope_id)
group by s.scope_type, s.scope_id
