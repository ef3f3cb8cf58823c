-- Statements
-- core.jira_boards, core.jira_sprints: one row a board and a sprint, from what was loaded since the last run.
insert into core.jira_boards as t (client_id, integration_id, id, name, board_type, project_key, deleted_at)
select r.client_id, r.integration_id, (r.payload ->> 'id')::bigint, r.payload ->> 'name', r.payload ->> 'type',
       r.payload ->> 'projectKey', r.deleted_at
from raw.jira_boards r
where r.client_id = (select core.etl_client_id())
  and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
on conflict (client_id, integration_id, id) do update set
    name = excluded.name, board_type = excluded.board_type, project_key = excluded.project_key,
    deleted_at = excluded.deleted_at
where t is distinct from excluded;

insert into core.jira_sprints as t
    (client_id, integration_id, id, board_id, name, state, started_at, ends_at, completed_at, deleted_at)
select r.client_id, r.integration_id, (r.payload ->> 'id')::bigint, (r.payload ->> 'boardId')::bigint,
       r.payload ->> 'name', r.payload ->> 'state', (r.payload ->> 'startDate')::timestamptz,
       (r.payload ->> 'endDate')::timestamptz, (r.payload ->> 'completeDate')::timestamptz, r.deleted_at
from raw.jira_sprints r
where r.client_id = (select core.etl_client_id())
  and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
on conflict (client_id, integration_id, id) do update set
    board_id = excluded.board_id, name = excluded.name, state = excluded.state, started_at = excluded.started_at,
    ends_at = excluded.ends_at, completed_at = excluded.completed_at, deleted_at = excluded.deleted_at
where t is distinct from excluded;
