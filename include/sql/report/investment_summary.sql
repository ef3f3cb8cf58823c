-- One row per client and question about where effort and money went in 90 days: the answer in words.
with clients as (
    select c.id as client_id, c.name as client_name, t.computed_through as today,
           exists (select from core.work_items w where w.client_id = c.id) as has_items
    from core.clients c
    join core.dora_state t on t.client_id = c.id
), effort as (
    select w.client_id, coalesce(nullif(w.category, ''), core.say('Other work')) as category, bool_or(w.is_unplanned) as is_unplanned, count(*) as items
    from clients c
    join core.work_items w on w.client_id = c.client_id and w.done_on > c.today - 90 and w.done_on <= c.today
    where not w.is_epic and not w.is_subtask
    group by w.client_id, 2
), shares as (
    select client_id, sum(items) as items, sum(items) filter (where is_unplanned) as unplanned,
           (array_agg(category order by items desc, category))[1] as largest, max(items) as largest_items,
           string_agg(category || ' ' || items, ', ' order by items desc, category) as all_text,
           string_agg(core.within_sentence(category), ', ' order by items desc, category) filter (where is_unplanned) as unplanned_text
    from effort
    group by client_id
), failures as (
    select f.client_id, count(*) as n, coalesce(sum(f.recovery_hours), 0) as recovery, coalesce(sum(f.repair_hours), 0) as repair,
           sum(f.repairs) as repairs, count(*) filter (where f.recovery_hours is null) as open, sum(f.money) as money,
           max(f.currency) as currency, count(*) filter (where f.is_guess) as guesses
    from report.failure_costs f
    join clients c using (client_id)
    where f.failed_at >= c.today - 89
    group by f.client_id
), rates as (
    select client_id, bool_or(setting_key = 'cost.currency') and bool_or(setting_key <> 'cost.currency') as given
    from core.system_settings where setting_key like 'cost.%' and setting_value <> 'null'
    group by client_id
)
select c.client_id, c.client_name, r.topic, r.sort_order, r.question, r.term, r.answer, r.note,
       format(core.say('the 90 days up to %s'), core.day_text(c.today)) as period_text
from clients c
left join shares s using (client_id)
left join failures f using (client_id)
left join rates k using (client_id)
cross join lateral (
    values
        ('largest', 1, core.say('Where most effort went'), core.say('share of effort'),
         case when s.items >= 5 then s.largest || ' ' || core.percent((s.largest_items / s.items)::double precision) || ' %' else '—' end,
         case when not c.has_items then core.say('No issue tracker is connected: it would say what the work was for.')
              when coalesce(s.items, 0) < 5 then format(core.say('%s of %s items finished: not enough yet'), coalesce(s.items, 0), 5)
              else format(core.say('of %s finished items. All: %s'), s.items, s.all_text) end),
        ('unplanned', 2, core.say('How much came up unplanned'), core.say('unplanned work'),
         case when s.items >= 5 then core.percent((coalesce(s.unplanned, 0) / s.items)::double precision) || ' %' else '—' end,
         case when not c.has_items then core.say('No issue tracker is connected.')
              when coalesce(s.items, 0) < 5 then format(core.say('%s of %s items finished: not enough yet'), coalesce(s.items, 0), 5)
              else format(core.say('%s of %s finished items'), coalesce(s.unplanned, 0), s.items) || coalesce(' (' || s.unplanned_text || ')', '') end),
        ('failure', 3, core.say('How long failures lasted'), core.say('hours until recovered'),
         case when coalesce(f.n, 0) = 0 then core.say('none') else format(core.say('%s hours'), core.figures(to_char(f.recovery, 'FM999,990'))) end,
         case when coalesce(f.n, 0) = 0 then core.say('no release failed')
              else format(case when f.n = 1 then core.say('%s failed release') else core.say('%s failed releases together') end, f.n)
                   || case when f.open > 0 then format(core.say('; %s not recovered yet, not counted'), f.open) else '' end
                   || case when f.guesses > 0 then format(core.say('; %s rest on time alone'), f.guesses) else '' end end),
        ('repair', 4, core.say('How much work repairs took'), core.say('hours of repair'),
         case when coalesce(f.repairs, 0) = 0 then core.say('none') else format(core.say('%s hours'), core.figures(to_char(f.repair, 'FM999,990'))) end,
         case when coalesce(f.repairs, 0) = 0 then core.say('no hotfix or revert was found')
              else format(case when f.repairs = 1 then core.say('%s hotfix or revert, from its first commit to production')
                               else core.say('%s hotfixes and reverts, each from its first commit to production') end, f.repairs) end),
        ('money', 5, core.say('What failures cost'), core.say('cost of failed changes'),
         case when f.currency is not null then core.figures(to_char(f.money, 'FM999,999,999,990')) || ' ' || f.currency
              when k.given and coalesce(f.n, 0) = 0 then core.say('nothing') else '—' end,
         case when k.given then core.say('at your own rates: these hours times what you said an hour costs')
              else core.say('In hours only: nobody has said what an hour costs. Your data team can (settings cost.currency, cost.hour_of_failure, cost.hour_of_work).') end)
) r (topic, sort_order, question, term, answer, note);
