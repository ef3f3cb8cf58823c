-- Temporary table settings: the client's settings with their types, its day, and whether this run computes everything.
-- Grain: one row.
-- pulse.settings holds every setting, with its default where the client gave none: plugins/pulse/clients/settings.py declares
-- them. The definition depends only on what was given.
-- Everything is computed in the first run, when the definition has changed, when the clock went back, and when asked
-- (pulse.full). reason says why there is a run: first, definition, or data.
with client as (
    select c.id as client_id, c.time_zone,
           coalesce(nullif(current_setting('pulse.now', true), '')::timestamptz, now()) as now,
           current_setting('pulse.definition') as definition_name, current_setting('pulse.settings')::jsonb as settings
    from core.clients c
), given as (
    select coalesce(jsonb_object_agg(replace(setting_key, 'dora.', ''), setting_value order by setting_key), '{}') as g
    from core.system_settings
    where setting_key like 'dora.%'
), statuses as (
    select coalesce(
        string_agg(integration_id || ' ' || id || ' ' || category, ',' order by integration_id, id), '') as categories
    from core.issue_statuses
), projects as (
    select coalesce(array_agg(distinct upper(key) order by upper(key)), '{}') as keys from core.projects
), typed as (
    select
        c.*, g, (c.now at time zone c.time_zone)::date as today,
        definition_name || ':' || left(md5(g::text || c.time_zone), 8) as definition_version,
        md5(definition_name || g::text || c.time_zone || statuses.categories || array_to_string(projects.keys, ' '))
            as definition, projects.keys as project_keys,
        settings ->> 'dora.commit_date' as commit_date,
        settings ->> 'dora.start_event' as start_event,
        (settings ->> 'dora.exclude_bots')::boolean as exclude_bots,
        core.search_pattern(settings -> 'dora.bots') as bots,
        core.search_pattern(settings -> 'dora.agents') as agents,
        core.search_pattern(settings ->> 'dora.hotfix_pattern') as hotfix_pattern,
        core.search_pattern(settings -> 'dora.production_branches') as production_branches,
        (settings ->> 'dora.direct_pushes')::boolean as direct_pushes,
        settings ->> 'dora.deployment_source' as deployment_source,
        core.search_pattern(settings ->> 'dora.workflow_pattern') as workflow_pattern,
        core.search_pattern(settings -> 'dora.workflow_branches') as workflow_branches,
        core.search_pattern(settings -> 'dora.production_environments') as production_environments,
        settings -> 'dora.services' as services,
        settings -> 'dora.jira_services' as jira_services,
        settings -> 'dora.teams' as teams,
        settings -> 'dora.incident_rule' as incident_rule,
        (settings ->> 'dora.incident_window_hours')::integer * interval '1 hour' as incident_window,
        (settings ->> 'dora.rollback_window_hours')::integer * interval '1 hour' as rollback_window,
        (settings ->> 'dora.release_window_hours')::integer * interval '1 hour' as release_window,
        (settings ->> 'dora.count_redeployments')::boolean as count_redeployments,
        (settings ->> 'dora.minimum_confidence')::numeric as minimum_confidence,
        (settings ->> 'dora.minimum_sample')::integer as minimum_sample,
        case settings ->> 'dora.week_start' when 'sunday' then 1 when 'saturday' then 2 else 0 end as week_shift,
        (settings ->> 'dora.benchmark_year')::integer as benchmark_year,
        nullif(settings -> 'dora.working_calendar', 'null') as working_calendar,
        settings ->> 'dora.working_calendar' is not null as working
    from client c, given, statuses, projects
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
