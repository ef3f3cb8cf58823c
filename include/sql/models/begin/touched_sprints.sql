-- Temporary table touched_sprints: the sprints that are new, have changed or have gone since the last run.
-- Grain: one row per sprint; all of them in a full run.
select integration_id, id
from (
    select integration_id, id, board_id, name, state, started_at, ends_at, completed_at
    from core.sprints where deleted_at is null
) s
full join (
    select integration_id, id, board_id, name, state, started_at, ends_at, completed_at from core.work_sprints
) o using (integration_id, id)
where (select is_full from work_run) or row(s.*) is distinct from row(o.*)
