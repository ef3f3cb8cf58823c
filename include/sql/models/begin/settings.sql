-- Temporary table settings: the client's settings with their types, its day, and whether this run computes everything.
-- Grain: one row.
-- Everything is computed in the first run, when the definition has changed, when the clock went back, and when asked
-- (pulse.full). reason says why there is a run: first, definition, or data.
with client as (
    select c.id as client_id, c.time_zone,
           coalesce(nullif(current_setting('pulse.now', true), '')::timestamptz, now()) as now
    from core.clients c
), given as (
    select coalesce(jsonb_object_agg(replace(setting_key, 'dora.', ''), setting_value order by setting_key), '{}') as g
    from core.system_settings
    where setting_key like 'dora.%'
), statuses as (
    select coalesce(
        string_agg(integration_id || ' ' || id || ' ' || category, ',' order by integration_id, id), '') as categories
    from core.jira_statuses
), typed as (
    select
        c.*, g, (c.now at time zone c.time_zone)::date as today,
        'pulse-4:' || left(md5(g::text || c.time_zone), 8) as definition_version,
        md5('pulse-4' || g::text || c.time_zone || statuses.categories) as definition,
        coalesce(g ->> 'commit_date', 'authored') as commit_date,
        coalesce(g ->> 'start_event', 'first_commit') as start_event,
        coalesce((g ->> 'exclude_bots')::boolean, true) as exclude_bots,
        core.search_pattern(coalesce(g ->> 'hotfix_pattern', '^(hotfix|emergency)\b')) as hotfix_pattern,
        core.search_pattern(g -> 'production_branches') as production_branches,
        coalesce((g ->> 'direct_pushes')::boolean, false) as direct_pushes,
        coalesce(g ->> 'deployment_source', 'deployments') as deployment_source,
        core.search_pattern(coalesce(g ->> 'workflow_pattern', 'deploy|release')) as workflow_pattern,
        core.search_pattern(g -> 'workflow_branches') as workflow_branches,
        core.search_pattern(coalesce(g -> 'production_environments', '["^prod(uction)?\\b"]'))
            as production_environments,
        coalesce(g -> 'services', '[]') as services,
        coalesce(g -> 'jira_services', '{}') as jira_services,
        coalesce(g -> 'teams', '[]') as teams,
        coalesce(g -> 'incident_rule', '{"source": "jira", "issue_types": ["Incident"], "labels": ["incident"]}')
            as incident_rule,
        coalesce((g ->> 'incident_window_hours')::double precision, 168) * interval '1 hour' as incident_window,
        coalesce((g ->> 'rollback_window_hours')::double precision, 24) * interval '1 hour' as rollback_window,
        coalesce((g ->> 'minimum_sample')::integer, 5) as minimum_sample,
        coalesce((g ->> 'benchmark_year')::integer, 2024) as benchmark_year,
        nullif(g -> 'working_calendar', 'null') as working_calendar,
        coalesce(jsonb_typeof(g -> 'working_calendar'), 'null') <> 'null' as working
    from client c, given, statuses
)
select
    -- The quality checks look at the last 90 days: those after this day, and after this moment for indexes by time.
    t.*, t.today - 90 as checked_after, (t.today - 91)::timestamp at time zone t.time_zone as checked_after_at,
    p.computed_through, p.definition_version as previous_version,
    p.definition is distinct from t.definition or p.computed_through > t.today
        or coalesce(current_setting('pulse.full', true), '') = 'on' as is_full,
    case when p.client_id is null then 'first' when p.definition is distinct from t.definition then 'definition'
         else 'data' end as reason
from typed t
left join core.dora_state p on p.client_id = t.client_id
