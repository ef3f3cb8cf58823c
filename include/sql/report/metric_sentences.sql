-- One row per metric on a tile, one for all of them together (metric_type all), and one where sources are not read (sources): what
-- moved, in a sentence.
--
-- Only signals are reported, with the parts that report.metric_parts has. A part goes with a change; nothing says that it caused it.
with leading_parts as (
    select client_id, metric_type, count(*) as parts, string_agg(part_text, ' ' || core.say('and') || ' ' order by clause) as goes_with,
           (array_agg(label order by clause) filter (where kind = 'service'))[1] as service_name,
           (array_agg(service_id order by clause) filter (where kind = 'service'))[1] as service_id,
           (array_agg(stage order by clause) filter (where kind = 'stage'))[1] as stage, min(total_text) as total_text
    from report.metric_parts
    group by 1, 2
), described as (
    select t.client_id, t.client_name, t.metric_type, t.metric_label, t.sort_order, t.unit, t.verdict, t.verdict_text, t.null_reason,
           t.shifted_on, m.before_from, m.now_until, p.service_name, p.service_id, p.stage, p.parts, p.goes_with, p.total_text, m.mean_now,
           m.value_now > m.value_before as is_rise,
           core.display_text(t.unit, m.value_before) as text_before, core.display_text(t.unit, m.value_now) as text_now,
           core.difference_text(t.unit, m.value_now - m.value_before) as text_moved,
           t.verdict in ('better', 'worse') and m.client_id is not null as is_moved
    from report.kpi_current t
    left join core.metric_comparisons m
      on (m.client_id, m.metric_type, m.comparison) = (t.client_id, t.metric_type, 'shift')
    left join leading_parts p on (p.client_id, p.metric_type) = (t.client_id, t.metric_type)
    where t.sort_order <= 5
), together as (
    select client_id, client_name, count(*) filter (where is_moved) as moved, count(*) filter (where verdict = 'usual') as usual,
           count(*) as n,
           string_agg(move, '; ' order by sort_order) filter (where is_moved and verdict = 'worse') as worse,
           string_agg(move, '; ' order by sort_order) filter (where is_moved and verdict = 'better') as better
    from (
        select *, format(case when is_rise then core.say('%1$s rose from %2$s to %3$s since %4$s')
                              else core.say('%1$s fell from %2$s to %3$s since %4$s') end,
                         core.within_sentence(metric_label), text_before, text_now, core.day_text(shifted_on))
                  || case when service_name is not null then format(core.say(', mostly %s'), service_name) else '' end as move
        from described
    ) m
    group by 1, 2
)
select
    client_id, client_name, metric_type, metric_label, sort_order, verdict, shifted_on, service_id, service_name, stage,
    case when is_moved then
             format(case when is_rise then core.say('%1$s rose from %2$s to %3$s since %4$s, by more than chance.')
                         else core.say('%1$s fell from %2$s to %3$s since %4$s, by more than chance.') end,
                    metric_label, text_before, text_now, core.day_text(shifted_on))
             || case when goes_with is not null then
                    ' ' || format(case when mean_now is not null and parts > 1
                                           then core.say('Of the change in the mean (%s), the largest parts go with %s.')
                                       when mean_now is not null
                                           then core.say('Of the change in the mean (%s), the largest part goes with %s.')
                                       when parts > 1 then core.say('Of the change (%s), the largest parts go with %s.')
                                       else core.say('Of the change (%s), the largest part goes with %s.') end, total_text, goes_with)
                    else '' end
         when null_reason is not null then format(core.say('%s: nothing to judge in these 30 days.'), metric_label)
         else metric_label || ': ' || verdict_text || '.' end as sentence,
    -- Beside the sentence about all of them, which says from what to what, and above the parts.
    case when is_moved then
        format(case when goes_with is null then core.say('%1$s: %2$s, by more than chance.')
                    when mean_now is not null then core.say('%1$s: %2$s, by more than chance. The mean moved by %3$s, of which the largest parts are:')
                    else core.say('%1$s: %2$s, by more than chance. The largest parts are:') end,
               metric_label, text_moved, total_text) end as move_text,
    case when is_moved then
        '/pulse/rows/?metric=' || metric_type || '&from=' || before_from || '&to=' || now_until end as rows_path
from described
union all
select
    client_id, client_name, 'all', core.say('All together'), 0, case when worse is not null then 'worse' when better is not null then 'better'
        when usual > 0 then 'usual' else 'not_enough_history' end,
    null, null, null, null,
    case when moved = 0 and usual = n then
             format(core.say('Nothing moved by more than chance: all %s measures are within their usual range.'), n)
         when moved = 0 and usual > 0 then
             format(core.say('Nothing moved by more than chance: %s of %s measures are within their usual range; the rest have too few cases or weeks for a verdict.'),
                    usual, n)
         when moved = 0 then core.say('Too early to tell movement from chance: a verdict needs 12 complete weeks with enough cases.')
         else concat_ws(' ', case when worse is not null then format(core.say('Worse: %s.'), worse) end,
                        case when better is not null then format(core.say('Better: %s.'), better) end,
                        case when usual > 0 then format(core.say('Within the usual range: %s of %s measures.'), usual, n) end) end,
    null, null
from together
union all
select
    f.client_id, c.name, 'sources', core.say('Sources'), -1, 'failing', null, null, null, null,
    format(core.say('Numbers may be incomplete: %s.'),
           string_agg(format(case when f.last_success_at is null then core.say('%s could not be read yet')
                                  else core.say('%s was not read since %s') end,
                             f.integration, f.last_success_text), '; ' order by f.integration)), null, null
from report.freshness f
join core.clients c on c.id = f.client_id
where f.status in ('failing', 'late')
group by f.client_id, c.name;
