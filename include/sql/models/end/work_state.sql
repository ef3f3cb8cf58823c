-- Statements
-- core.work_state: what this run of the flow models worked with, so that the next one knows what differs.
insert into core.work_state as t (client_id, inputs, computed_through)
select s.client_id, r.inputs, s.today from work_run r cross join settings s
on conflict (client_id) do update set inputs = excluded.inputs, computed_through = excluded.computed_through
where row(t.inputs, t.computed_through) is distinct from row(excluded.inputs, excluded.computed_through);
