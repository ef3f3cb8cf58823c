-- Statements
-- core.work_state: what this run worked with, so that the next one knows what has moved since.
-- Inputs: work_run.
insert into core.work_state as t (client_id, inputs, computed_through)
select client_id, inputs, today from work_run
on conflict (client_id) do update set inputs = excluded.inputs, computed_through = excluded.computed_through
where row(t.inputs, t.computed_through) is distinct from row(excluded.inputs, excluded.computed_through);
