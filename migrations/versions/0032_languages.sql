-- Texts in the reader's language: sentences are made in SQL, so the language is a setting of the session (pulse.language).
-- The English text is the key of its translation.

create table core.translations (
    language  text not null check (language ~ '^[a-z]{2}$' and language <> 'en'),
    source    text not null,
    text      text not null check (text <> ''),
    primary key (language, source)
);
comment on table core.translations is
    'The texts of plugins/pulse/languages/<language>.po: what stands in English in the SQL, and the same in another language.';
grant select on core.translations to pulse_etl, pulse_staff, pulse_reader;

alter table core.clients add column language text not null default 'en' check (language in ('en', 'de'));
comment on column core.clients.language is 'The language of its people, unless a person has another one.';
alter table core.users add column language text check (language in ('en', 'de'));
comment on column core.users.language is 'The language of what the person sees and gets by mail; NULL: the client''s.';

create function core.language() returns text
    language sql stable parallel safe
    return coalesce(nullif(current_setting('pulse.language', true), ''), 'en');
comment on function core.language() is 'The language of this session''s texts (setting pulse.language).';

create function core.translated(in_language text, source text) returns text
    language plpgsql stable parallel safe set search_path = pg_catalog
    as $$
begin
    return coalesce((select t.text from core.translations t where t.language = in_language and t.source = translated.source), source);
end $$;
comment on function core.translated(text, text) is 'A text in a language; in English where there is no translation.';

create function core.say(source text) returns text
    language sql stable parallel safe
    return case when core.language() = 'en' then source else core.translated(core.language(), source) end;
comment on function core.say(text) is 'An English text in this session''s language.';

create function core.figures(number text) returns text
    language sql stable parallel safe
    return translate(number, ',.', coalesce(nullif(current_setting('pulse.separators', true), ''),
                                            case core.language() when 'de' then '.,' else ',.' end));
comment on function core.figures(text) is
    'A number as to_char has written it, with this session''s separators: of thousands, and of decimals (setting '
    'pulse.separators, or as the language has it).';

create function core.day_text(day date) returns text
    language sql stable parallel safe
    return case core.language()
        when 'de' then extract(day from day) || '. '
            || (array['Jan.', 'Feb.', 'März', 'Apr.', 'Mai', 'Juni', 'Juli', 'Aug.', 'Sept.', 'Okt.', 'Nov.', 'Dez.'])[extract(month from day)::integer]
            || to_char(day, ' YYYY')
        else to_char(day, 'FMDD Mon YYYY') end;
comment on function core.day_text(date) is 'A day as this session''s language writes it.';

create function core.month_text(day date) returns text
    language sql stable parallel safe
    return case core.language()
        when 'de' then (array['Januar', 'Februar', 'März', 'April', 'Mai', 'Juni', 'Juli', 'August', 'September', 'Oktober',
                              'November', 'Dezember'])[extract(month from day)::integer] || to_char(day, ' YYYY')
        else to_char(day, 'FMMonth YYYY') end;
comment on function core.month_text(date) is 'The month of a day as this session''s language writes it.';

create function core.within_sentence(label text) returns text
    language sql stable parallel safe
    -- German nouns keep their capital.
    return case core.language() when 'en' then lower(left(label, 1)) || substr(label, 2) else label end;
comment on function core.within_sentence(text) is 'A label within a sentence.';

create or replace function core.display_text(unit text, value double precision) returns text
    language sql stable parallel safe
    return case
        when value is null then '—'
        when unit = 'ratio' then core.figures(to_char(value * 100, 'FM999999999990.0')) || ' %'
        when unit = 'per_day' and value >= 0.95
            then format(core.say('%s per day'), core.figures(to_char(value, 'FM999999999990.0')))
        when unit = 'per_day' and value * 7 >= 0.95
            then format(core.say('%s per week'), core.figures(to_char(value * 7, 'FM990.0')))
        when unit = 'per_day' then format(core.say('%s per month'), core.figures(to_char(value * 30.4, 'FM990.0')))
        when unit = 'hours' and value * 60 < 59.5 then format(core.say('%s min'), to_char(value * 60, 'FM90'))
        when unit = 'hours' and value < 47.95 then format(core.say('%s h'), core.figures(to_char(value, 'FM990.0')))
        when unit = 'hours' then format(core.say('%s days'), core.figures(to_char(value / 24, 'FM999999999990.0')))
        else core.figures(to_char(value, 'FM999999999990.0'))
    end;

create or replace function core.range_text(unit text, low double precision, high double precision) returns text
    language sql stable parallel safe
    -- The unit is said once where both have it.
    return case when substring(core.display_text(unit, low) from '[^0-9., ].*') = substring(core.display_text(unit, high) from '[^0-9., ].*')
                then format(core.say('%s to %s'), substring(core.display_text(unit, low) from '^[0-9.,]+'), core.display_text(unit, high))
                else format(core.say('%s to %s'), core.display_text(unit, low), core.display_text(unit, high)) end;

create or replace function core.verdict_text(
    verdict text, unit text, low double precision, high double precision, since date, history integer, needed integer)
    returns text
    language sql stable parallel safe
    return case verdict
        when 'usual' then coalesce(case when low is not null and high is not null then
                                       format(core.say('within its usual range (%s)'), core.range_text(unit, low, high)) end,
                                   core.say('within its usual range'))
        when 'not_enough_history' then format(core.say('not enough history for a verdict: %s of %s weeks'), history, needed)
        else format(case verdict when 'better' then core.say('better since %s') else core.say('worse since %s') end,
                    core.day_text(since))
             || case when low is not null and high is not null then
                    format(core.say('; before: %s'), core.range_text(unit, low, high)) else '' end
    end;

create or replace function core.difference_text(unit text, difference double precision) returns text
    language sql stable parallel safe
    -- A difference of shares is in points. What would be shown as zero has no sign.
    return (
        select case when difference is null then '—'
                    when ltrim(shown, '0.,') !~ '^[1-9]' then core.say('no change')
                    else case when difference < 0 then '−' else '+' end || shown end
        from (select case unit when 'ratio' then format(core.say('%s points'), core.figures(to_char(abs(difference) * 100, 'FM990.0')))
                               else core.display_text(unit, abs(difference)) end as shown) t);

create or replace function core.effect_label(effect text) returns text
    language sql stable parallel safe
    return case effect when 'coding' then core.say('Coding') when 'pickup' then core.say('Waiting for review')
                       when 'review' then core.say('Review') when 'merge_to_deploy' then core.say('Waiting for deployment')
                       when 'other' then core.say('In no stage') when 'count' then core.say('Releases')
                       when 'mix' then core.say('Other mix of services') when 'rate' then core.say('Its own value') end;

create function core.cause_text(cause text) returns text
    language sql stable parallel safe
    -- The cause of a restatement is stored in English: "deployments: 3 added, 1 changed", "definition 4 became 5", or a sentence.
    return case
        when core.language() = 'en' then cause
        when cause ~ '^definition [^ ]+ became [^ ]+$'
            then format(core.say('definition %s became %s'), split_part(cause, ' ', 2), split_part(cause, ' ', 4))
        when cause ~ '^[a-z ]+: [0-9]+ [a-z]+(, [0-9]+ [a-z]+)*$'
            then core.say(split_part(cause, ': ', 1)) || ': ' || (
                select string_agg(split_part(part, ' ', 1) || ' ' || core.say(split_part(part, ' ', 2)), ', ' order by place)
                from unnest(string_to_array(split_part(cause, ': ', 2), ', ')) with ordinality p (part, place))
        else core.say(cause) end;
comment on function core.cause_text(text) is 'The cause of a restatement in this session''s language.';

revoke execute on function core.language(), core.translated(text, text), core.say(text), core.figures(text),
    core.day_text(date), core.month_text(date), core.within_sentence(text), core.cause_text(text) from public;
grant execute on function core.language(), core.translated(text, text), core.say(text), core.figures(text)
    to pulse_etl, pulse_staff, pulse_reader;
grant execute on function core.day_text(date), core.month_text(date), core.within_sentence(text), core.cause_text(text)
    to pulse_staff, pulse_reader;
