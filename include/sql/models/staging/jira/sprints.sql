-- Table core.sprints: the sprints loaded since the last run, from raw.jira_sprints.
-- Grain: one row per sprint.
select
    r.integration_id,
    (r.payload ->> 'id')::bigint as id,
    (r.payload ->> 'boardId')::bigint as board_id,
    r.payload ->> 'name' as name,
    r.payload ->> 'state' as state,
    (r.payload ->> 'startDate')::timestamptz as started_at,
    (r.payload ->> 'endDate')::timestamptz as ends_at,
    (r.payload ->> 'completeDate')::timestamptz as completed_at,
    r.deleted_at
from raw.jira_sprints r
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
