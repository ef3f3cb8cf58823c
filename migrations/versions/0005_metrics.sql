-- The numbers: what is published, what was published before, and the checks that guard it. The metrics and benchmarks that
-- the numbers refer to are seeds (include/sql/seeds).

-- ------------------------------------------------------------------------------------------------------ reference data

create table core.metric_catalogue (
    metric_type       text primary key,
    metric_label      text not null,
    display_unit      text not null,
    factor            double precision not null,
    better            text not null check (better in ('higher', 'lower')),
    sort_order        integer not null,
    family            text not null default 'deployments',
    unit              text not null default 'hours',
    benchmark_metric  text,
    has_past_windows  boolean not null default false
);
comment on table core.metric_catalogue is 'One row per metric: reference data, the same for every client.';
comment on column core.metric_catalogue.benchmark_metric is 'The metric whose benchmarks give this one its tier; NULL when it has no tier.';
comment on column core.metric_catalogue.has_past_windows is
    'Also published for the client''s rolling windows that ended on past Sundays, not only for the latest.';

create table core.benchmarks (
    metric_type       text not null,
    year              integer not null,
    kind              text not null check (kind in ('tier', 'distribution')),
    label             text not null,
    lower_bound       double precision,
    upper_bound       double precision,
    cumulative_share  double precision,
    published_text    text not null,
    source            text not null,
    primary key (metric_type, year, label)
);
comment on table core.benchmarks is
    'One row per tier or point of a published benchmark: reference data, the same for every client. A value belongs to the '
    'row with lower_bound <= value < upper_bound (hours, per day, ratio); the tiers of the change failure rate are points. '
    'Of kind distribution: cumulative_share of teams do at least as well.';

create function core.display_text(unit text, value double precision) returns text
    language sql immutable parallel safe
    return case
        when value is null then '—'
        when unit = 'ratio' then to_char(value * 100, 'FM990.0') || ' %'
        when unit = 'per_day' and value >= 1 then to_char(value, 'FM9990.0') || ' per day'
        when unit = 'per_day' and value * 7 >= 1 then to_char(value * 7, 'FM990.0') || ' per week'
        when unit = 'per_day' then to_char(value * 30.4, 'FM990.0') || ' per month'
        when unit = 'hours' and value < 1 then to_char(value * 60, 'FM90') || ' min'
        when unit = 'hours' and value < 48 then to_char(value, 'FM990.0') || ' h'
        when unit = 'hours' then to_char(value / 24, 'FM9990.0') || ' days'
        else to_char(value, 'FM9990.0')
    end;
comment on function core.display_text(text, double precision) is 'A metric''s value in words; a dash for NULL.';

-- -------------------------------------------------------------------------------------------------- what was computed

create table core.dora_state (
    client_id           integer primary key references core.clients (id),
    definition          text not null,
    definition_version  text not null,
    computed_through    date not null,
    published_at        timestamptz not null
);
comment on table core.dora_state is
    'One row per client: the settings and the day that the last dora stage worked with. When the settings differ, the next '
    'stage computes everything.';

create table core.dora_definitions (
    client_id           integer not null references core.clients (id),
    definition_version  text not null,
    settings            jsonb not null,
    time_zone           text not null,
    first_used_at       timestamptz not null default now(),
    primary key (client_id, definition_version)
);
comment on table core.dora_definitions is
    'One row per definition_version: the settings behind it, so that a number can be reproduced.';

create table core.dora_scopes (
    client_id    integer not null references core.clients (id),
    scope_type   text not null,
    scope_id     text not null,
    family       text not null,
    first_day    date not null,
    kind_day     date,
    success_day  date,
    members      text not null default '',
    primary key (client_id, scope_type, scope_id, family)
);
comment on table core.dora_scopes is
    'One row per scope and family (deployments, delivery, recovery, pull_requests). first_day: from when on it has numbers; '
    'kind_day: its first event of the family; success_day: its first successful production deployment; members: the services '
    'of a team or repository.';

-- -------------------------------------------------------------------------------------------- what is and was published

-- One row per published number. period is [period_start, period_end) in the client's calendar; calculation_date is its last
-- day. A rolling grain has one row per day. Hundreds of thousands of rows: no foreign key to the client, whose policy lets
-- each row through anyway; no index on id; ids are given out a thousand at a time.
create table core.dora_metrics (
    client_id           integer not null,
    id                  bigint generated always as identity (cache 1000),
    metric_type         text not null,
    grain               text not null check (grain in ('day', 'week', 'month', 'rolling_7d', 'rolling_30d', 'rolling_90d')),
    scope_type          text not null check (scope_type in ('client', 'service', 'team', 'repository')),
    scope_id            text not null default '',
    calculation_date    date not null,
    period_start        date not null,
    period_end          date not null,
    is_partial          boolean not null default false,
    metric_value        double precision,
    unit                text not null check (unit in ('per_day', 'days_per_week', 'hours', 'ratio', 'lines', 'count')),
    p50                 double precision,
    p75                 double precision,
    p90                 double precision,
    numerator           bigint,
    denominator         bigint,
    sample_size         bigint not null default 0,
    null_reason         text,
    tier                text check (tier in ('elite', 'high', 'medium', 'low')),
    tier_year           integer,
    definition_version  text not null,
    published_at        timestamptz not null default now(),
    family              text not null default 'deployments',
    primary key (client_id, metric_type, grain, scope_type, scope_id, calculation_date),
    check (metric_value is not null or null_reason is not null)
);

create table core.dora_metric_history (
    client_id           integer not null,
    id                  bigint generated always as identity,
    metric_type         text not null,
    grain               text not null,
    scope_type          text not null,
    scope_id            text not null,
    calculation_date    date not null,
    period_start        date not null,
    period_end          date not null,
    is_partial          boolean not null,
    metric_value        double precision,
    unit                text not null,
    p50                 double precision,
    p75                 double precision,
    p90                 double precision,
    numerator           bigint,
    denominator         bigint,
    sample_size         bigint not null,
    null_reason         text,
    tier                text,
    tier_year           integer,
    definition_version  text not null,
    valid_from          timestamptz not null,
    valid_to            timestamptz not null,
    primary key (client_id, id)
);
comment on table core.dora_metric_history is
    'One row per published number that was replaced or withdrawn: what was shown from valid_from until valid_to.';
create index dora_metric_history_cell on core.dora_metric_history
    (client_id, metric_type, grain, scope_type, scope_id, calculation_date, valid_from);
create index dora_metric_history_time on core.dora_metric_history (client_id, valid_to);

create table core.dora_publications (
    client_id           integer not null references core.clients (id),
    id                  bigint generated always as identity,
    published_at        timestamptz not null default now(),
    definition_version  text not null,
    reason              text not null check (reason in ('first', 'definition', 'data', 'calendar')),
    numbers             bigint not null,
    restated            bigint not null,
    primary key (client_id, id)
);
comment on table core.dora_publications is
    'One row per dora stage that changed published numbers: why, how many, and how many of them were of ended periods.';

create table core.dora_restatements (
    client_id           integer not null,
    id                  bigint generated always as identity,
    restated_at         timestamptz not null default now(),
    metric_type         text not null,
    grain               text not null,
    scope_type          text not null,
    scope_id            text not null,
    calculation_date    date not null,
    old_value           double precision,
    new_value           double precision,
    old_sample_size     bigint,
    new_sample_size     bigint,
    reason              text not null check (reason in ('definition', 'data')),
    cause               text not null default '',
    evidence            jsonb not null default '[]',
    primary key (client_id, id)
);
comment on table core.dora_restatements is
    'One row per published number of an ended period that has changed: what it was, what it is, and which facts made it so.';
create index dora_restatements_time on core.dora_restatements (client_id, restated_at);

-- ---------------------------------------------------------------------------------------------------- quality checks

create table core.quality_results (
    client_id    integer not null references core.clients (id),
    check_name   text not null,
    detail       text not null default '',
    severity     text not null check (severity in ('block', 'warn', 'info')),
    status       text not null check (status in ('pass', 'fail', 'no_data')),
    value        double precision,
    threshold    double precision,
    numerator    bigint,
    denominator  bigint,
    message      text not null default '',
    examples     jsonb not null default '[]',
    measured_at  timestamptz not null default now(),
    primary key (client_id, check_name, detail)
);
comment on table core.quality_results is
    'One row per quality check and detail: what it measured, whether it passed, examples of what it found. A failed check of '
    'severity block keeps the stage from publishing.';
