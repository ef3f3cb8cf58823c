-- Statements
-- dora_settings (temporary, one row): the client's settings with their types, its day, and whether everything is computed
-- anew: at the first run, when the definition has changed, when the clock went back, or when asked (pulse.full).
-- core.client_calendar: the working days of a client that counts those only.
-- The statistics of the temporary tables need to tell few from many, no more (so of the wide ones the joined columns only).
-- Sorts and hashes of one client fit in memory.
set local default_statistics_target = 10;
set local work_mem = '64MB';
create temporary table dora_settings on commit drop as
with client as (
    select c.id as client_id, c.time_zone, coalesce(nullif(current_setting('pulse.now', true), '')::timestamptz, now()) as now
    from core.clients c
    where c.id = (select core.etl_client_id())
), given as (
    select coalesce(jsonb_object_agg(replace(setting_key, 'dora.', ''), setting_value order by setting_key), '{}') as g
    from core.system_settings
    where client_id = (select core.etl_client_id()) and setting_key like 'dora.%'
), statuses as (
    select coalesce(string_agg(integration_id || ' ' || id || ' ' || category, ',' order by integration_id, id), '') as categories
    from core.jira_statuses where client_id = (select core.etl_client_id())
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
        core.search_pattern(coalesce(g -> 'production_environments', '["^prod(uction)?\\b"]')) as production_environments,
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
    -- The quality checks look at the last 90 days: those after this one (and after this moment, for the indexes by time).
    t.*, t.today - 90 as checked_after, (t.today - 91)::timestamp at time zone t.time_zone as checked_after_at,
    p.computed_through, p.definition_version as previous_version,
    p.definition is distinct from t.definition or p.computed_through > t.today
        or coalesce(current_setting('pulse.full', true), '') = 'on' as is_full,
    case when p.client_id is null then 'first' when p.definition is distinct from t.definition then 'definition'
         else 'data' end as reason
from typed t
left join core.dora_state p on p.client_id = t.client_id;
analyze dora_settings;
create temporary table settings on commit drop as table dora_settings;

insert into core.dora_definitions (client_id, definition_version, settings, time_zone)
select client_id, definition_version, g, time_zone from dora_settings
on conflict do nothing;

delete from core.client_calendar
where client_id = (select core.etl_client_id())
  and (select not working or reason <> 'data' or coalesce((
           select max(day) from core.client_calendar where client_id = (select core.etl_client_id())), '-infinity') < today + 30
       from dora_settings);

insert into core.client_calendar (client_id, day, starts_at, is_working, worked_hours_before, worked_days_before)
select
    client_id, day, starts_at, is_working,
    coalesce(sum(hours) filter (where is_working) over before, 0), coalesce(count(*) filter (where is_working) over before, 0)
from (
    select s.client_id, d::date as day, d at time zone s.time_zone as starts_at,
           extract(epoch from ((d + interval '1 day') at time zone s.time_zone) - (d at time zone s.time_zone))::double precision
               / 3600 as hours,
           coalesce(s.working_calendar -> 'days', '["mon", "tue", "wed", "thu", "fri"]') ? lower(to_char(d, 'dy'))
               and not coalesce(s.working_calendar -> 'holidays', '[]') ? to_char(d, 'YYYY-MM-DD')
               or coalesce(s.working_calendar -> 'workdays', '[]') ? to_char(d, 'YYYY-MM-DD') as is_working
    from dora_settings s, generate_series(timestamp '2005-01-01', s.today + 400, interval '1 day') d
    where s.working and not exists (select from core.client_calendar c where c.client_id = s.client_id)
) days
window before as (order by day rows between unbounded preceding and 1 preceding);
