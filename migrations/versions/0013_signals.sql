-- What is a signal, and what is chance: the levels of a metric over the last 400 days, and what its latest weeks say.

create table core.metric_signals (
    client_id      integer not null references core.clients (id),
    metric_type    text not null,
    scope_type     text not null check (scope_type in ('client', 'service', 'team', 'repository')),
    scope_id       text not null default '',
    level_from     date not null,
    level_until    date,
    is_current     boolean not null,
    centre         double precision,
    lower          double precision,
    upper          double precision,
    usual_lower    double precision,
    usual_upper    double precision,
    shift          text check (shift in ('better', 'worse')),
    rule           text,
    confirmed_on   date,
    verdict        text check (verdict in ('better', 'worse', 'usual', 'not_enough_history')),
    history_weeks  integer not null,
    needed_weeks   integer not null,
    unit           text not null,
    primary key (client_id, metric_type, scope_type, scope_id, level_from)
);
comment on table core.metric_signals is
    'One row per level of a metric and scope: the weeks [level_from, level_until) in which it varied by chance alone. centre, '
    'lower, upper: the limits of these weeks; usual_lower, usual_upper: the range that the verdict speaks of; shift, rule, '
    'confirmed_on: the signal that began the level; verdict: of the current level only.';
select core.protect_table('core.metric_signals', etl => true, staff => true, reader => true);

create function core.range_text(unit text, low double precision, high double precision) returns text
    language sql immutable parallel safe
    -- The unit is said once where both have it.
    return case when substring(core.display_text(unit, low) from '[^0-9.].*') = substring(core.display_text(unit, high) from '[^0-9.].*')
                then substring(core.display_text(unit, low) from '^[0-9.]+') || ' to ' || core.display_text(unit, high)
                else core.display_text(unit, low) || ' to ' || core.display_text(unit, high) end;
comment on function core.range_text(text, double precision, double precision) is 'Two values of a metric, from and to, in words.';
revoke execute on function core.range_text(text, double precision, double precision) from public;
grant execute on function core.range_text(text, double precision, double precision) to pulse_staff, pulse_reader;

create function core.verdict_text(
    verdict text, unit text, low double precision, high double precision, since date, history integer, needed integer)
    returns text
    language sql immutable parallel safe
    return case verdict
        when 'usual' then coalesce('within its usual range (' || core.range_text(unit, low, high) || ')', 'within its usual range')
        when 'not_enough_history' then 'not enough history for a verdict: ' || history || ' of ' || needed || ' weeks'
        else verdict || ' since ' || to_char(since, 'FMDD Mon YYYY') || coalesce('; before: ' || core.range_text(unit, low, high), '')
    end;
comment on function core.verdict_text(text, text, double precision, double precision, date, integer, integer) is
    'What the weeks of a metric say, in words.';
revoke execute on function core.verdict_text(text, text, double precision, double precision, date, integer, integer) from public;
grant execute on function core.verdict_text(text, text, double precision, double precision, date, integer, integer)
    to pulse_staff, pulse_reader;
