-- Table core.boards: the boards loaded since the last run, from raw.jira_boards.
-- Grain: one row per board.
select
    r.integration_id,
    (r.payload ->> 'id')::bigint as id,
    r.payload ->> 'name' as name,
    r.payload ->> 'type' as board_type,
    r.payload ->> 'projectKey' as project_key,
    r.deleted_at
from raw.jira_boards r
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
