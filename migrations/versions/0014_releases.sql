-- Releases, redeployments and rollbacks are told apart; a failure recovers once; a number knows its guesses.
alter table core.deployments
    add column version text,
    add column kind text,
    add column is_trial boolean not null default false,
    add column release_id text,
    add column counts boolean not null default false,
    add column is_guess boolean not null default false,
    add column recovered_at timestamptz,
    add column recovered_on date,
    add column recovery_hours double precision,
    add column recovery_calendar_hours double precision,
    add constraint deployments_kind_check check (kind in ('release', 'redeployment', 'rollback'));

comment on column core.deployments.version is
    'What was deployed: the commit; without one, the branch or tag if it has a digit, as a version does.';
comment on column core.deployments.kind is
    'release, redeployment (an earlier deployment to this environment was of the same version) or rollback; NULL when it did not succeed, or not in production.';
comment on column core.deployments.is_trial is
    'One of up to three deployments long before the regular ones: it delivers nothing and is no baseline.';
comment on column core.deployments.release_id is
    'The first deployment of the release that it is part of. One version in several environments, each within dora.release_window_hours after the one before, is one release.';
comment on column core.deployments.counts is
    'Counts in the deployment frequency: the first deployment of each release; by the setting dora.count_redeployments also redeployments and rollbacks.';
comment on column core.deployments.failed_change is
    'An incident was linked to a deployment of this release, or one was rolled back at once.';
comment on column core.deployments.is_guess is
    'It failed, and no link is better than that an incident came soon after it (time_window).';
comment on column core.deployments.recovered_at is
    'When the failed release was rolled back; otherwise when the last of its incidents was resolved.';
comment on column core.deployments.recovery_calendar_hours is
    'The recovery time in elapsed hours, whatever dora.working_calendar says. Tiers use it.';

-- A commit is looked up by its first digits, and a version whole: by one index.
drop index core.deployments_sha;
create index deployments_version on core.deployments (client_id, version text_pattern_ops);
create index deployments_recovered on core.deployments (client_id, recovered_on) where recovered_on is not null;

alter table core.deployment_changes add column calendar_hours double precision;
comment on column core.deployment_changes.calendar_hours is
    'The lead time in elapsed hours, whatever dora.working_calendar says. Tiers use it.';
alter table core.incidents add column calendar_hours double precision;
comment on column core.incidents.calendar_hours is
    'The time to restore in elapsed hours, whatever dora.working_calendar says. Tiers use it.';

alter table core.dora_metrics
    add column calendar_value double precision,
    add column guessed bigint not null default 0,
    add column tier_spread jsonb;
alter table core.dora_metric_history
    add column calendar_value double precision,
    add column guessed bigint not null default 0,
    add column tier_spread jsonb;
comment on column core.dora_metrics.calendar_value is
    'The value in calendar time, where a working calendar makes it another. Tiers use it.';
comment on column core.dora_metrics.guessed is
    'How many of the failures that it counts rest on time alone.';
comment on column core.dora_metrics.tier_spread is
    'How many services have which tier, where the tier is that of the median service.';

-- The address of an environment is no deployment's: it is kept apart from the page of the deployment. What is stored is read
-- again, once.
alter table core.github_deployments
    add column environment_url text,
    add constraint github_deployments_environment_url_length check (octet_length(environment_url) <= 2000) not valid;
alter table core.deployments add column environment_url text;
comment on column core.deployments.url is 'Its page at the forge or tool.';
comment on column core.deployments.environment_url is 'Where what was deployed can be seen. Many deployments share it.';
delete from core.transform_watermarks where transform = 'normalise';

alter table core.incident_references
    drop constraint incident_references_kind_check,
    add constraint incident_references_kind_check
        check (kind in ('url', 'sha', 'number', 'linked', 'key', 'fix_version'));

-- A value never overflows its form, and is never "60 min", "48.0 h" or "0.9 per day" where the next unit says it.
create or replace function core.display_text(unit text, value double precision) returns text
    language sql immutable parallel safe
    return case
        when value is null then '—'
        when unit = 'ratio' then to_char(value * 100, 'FM999999999990.0') || ' %'
        when unit = 'per_day' and value >= 0.95 then to_char(value, 'FM999999999990.0') || ' per day'
        when unit = 'per_day' and value * 7 >= 0.95 then to_char(value * 7, 'FM990.0') || ' per week'
        when unit = 'per_day' then to_char(value * 30.4, 'FM990.0') || ' per month'
        when unit = 'hours' and value * 60 < 59.5 then to_char(value * 60, 'FM90') || ' min'
        when unit = 'hours' and value < 47.95 then to_char(value, 'FM990.0') || ' h'
        when unit = 'hours' then to_char(value / 24, 'FM999999999990.0') || ' days'
        else to_char(value, 'FM999999999990.0')
    end;
