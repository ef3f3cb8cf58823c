-- Why a number moved: what it is compared with, the parts that add up to the difference, and how long each stage takes.

create table core.metric_comparisons (
    client_id      integer not null references core.clients (id),
    metric_type    text not null,
    comparison     text not null check (comparison in ('rolling_30d', 'month', 'shift')),
    before_from    date not null,
    before_until   date not null,
    now_from       date not null,
    now_until      date not null,
    value_before   double precision not null,
    value_now      double precision not null,
    mean_before    double precision,
    mean_now       double precision,
    cases_before   bigint not null,
    cases_now      bigint not null,
    primary key (client_id, metric_type, comparison)
);
comment on table core.metric_comparisons is
    'One row per metric of the client and comparison: rolling_30d (today''s 30 days and the 30 before), month (the last complete '
    'month and the one before), shift (the weeks since the signal and as many before). Days [from, until). value: as '
    'published; of hours the median, and mean beside it. Without a row, one side is partial or has too few cases.';

create table core.metric_drivers (
    client_id      integer not null references core.clients (id),
    metric_type    text not null,
    comparison     text not null,
    service_id     text not null,
    effect         text not null check (effect in ('count', 'mix', 'rate', 'coding', 'pickup', 'review', 'merge_to_deploy', 'other')),
    contribution   double precision not null,
    cases_before   bigint not null,
    cases_now      bigint not null,
    value_before   double precision,
    value_now      double precision,
    primary key (client_id, metric_type, comparison, service_id, effect)
);
comment on table core.metric_drivers is
    'One row per part of a comparison. The contributions of a comparison add up to value_now - value_before; of hours, to '
    'mean_now - mean_before. service_id is empty for incidents without a service. effect: count (releases a day); mix (the '
    'service has another share of the cases); rate (its own value is another); of the lead time, each stage instead of rate, '
    'other being time in no stage. cases and value are those of the service (of a stage: its mean hours there).';

create table core.metric_replays (
    client_id      integer not null references core.clients (id),
    metric_type    text not null,
    comparison     text not null,
    kind           text not null check (kind in ('service', 'stage')),
    part           text not null,
    replayed       double precision,
    contribution   double precision not null,
    primary key (client_id, metric_type, comparison, kind, part)
);
comment on table core.metric_replays is
    'One row per part of a change in a median. replayed: what the median would be now, had this part stayed as it was (a '
    'service: with its cases of before; a stage: as long as before, rank for rank). contribution: the median now minus that; '
    'part residual: the rest, so that the contributions of a kind add up to value_now - value_before.';

create table core.lead_time_stages (
    client_id      integer not null references core.clients (id),
    grain          text not null check (grain in ('week', 'month')),
    scope_type     text not null,
    scope_id       text not null default '',
    period_start   date not null,
    stage          text not null check (stage in ('coding', 'pickup', 'review', 'merge_to_deploy', 'other')),
    mean_hours     double precision not null,
    sample_size    bigint not null,
    primary key (client_id, grain, scope_type, scope_id, period_start, stage)
);
comment on table core.lead_time_stages is
    'One row per week or month, scope and stage: the mean hours that its deployed changes spent in the stage, over all of them. '
    'The stages of a period add up to its mean lead time; other is time in no stage, as of a change that nobody reviewed.';

select core.protect_table(t, etl => true, staff => true, reader => true)
from unnest(array['core.metric_comparisons', 'core.metric_drivers', 'core.metric_replays', 'core.lead_time_stages']) t;

create function core.difference_text(unit text, difference double precision) returns text
    language sql immutable parallel safe
    -- A difference of shares is in points. What would be shown as zero has no sign.
    return (
        select case when difference is null then '—'
                    when ltrim(shown, '0.') !~ '^[1-9]' then 'no change'
                    else case when difference < 0 then '−' else '+' end || shown end
        from (select case unit when 'ratio' then to_char(abs(difference) * 100, 'FM990.0') || ' points'
                               else core.display_text(unit, abs(difference)) end as shown) t);
comment on function core.difference_text(text, double precision) is 'A difference between two values of a metric, in words.';

create function core.url_part(value text) returns text
    language sql immutable parallel safe
    return regexp_replace(encode(convert_to(value, 'UTF8'), 'hex'), '(..)', '%\1', 'g');
comment on function core.url_part(text) is 'A value as part of an address, whatever its characters.';

create function core.effect_label(effect text) returns text
    language sql immutable parallel safe
    return case effect when 'coding' then 'Coding' when 'pickup' then 'Waiting for review' when 'review' then 'Review'
                       when 'merge_to_deploy' then 'Waiting for deployment' when 'other' then 'In no stage'
                       when 'count' then 'Releases' when 'mix' then 'Other mix of services' when 'rate' then 'Its own value' end;
comment on function core.effect_label(text) is 'A stage of the lead time, or another effect of core.metric_drivers, in words.';

revoke execute on function core.difference_text(text, double precision), core.url_part(text), core.effect_label(text) from public;
grant execute on function core.difference_text(text, double precision), core.url_part(text), core.effect_label(text)
    to pulse_staff, pulse_reader;
