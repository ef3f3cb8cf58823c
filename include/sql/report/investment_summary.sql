-- One row per client and question about where effort and money went in 90 days: the answer in words.
with clients as (
    select c.id as client_id, c.name as client_name, t.computed_through as today,
           exists (select from core.work_items w where w.client_id = c.id) as has_items
    from core.clients c
    join core.dora_state t on t.client_id = c.id
), effort as (
    select w.client_id, coalesce(nullif(w.category, ''), 'Other work') as category, bool_or(w.is_unplanned) as is_unplanned, count(*) as items
    from clients c
    join core.work_items w on w.client_id = c.client_id and w.done_on > c.today - 90 and w.done_on <= c.today
    where not w.is_epic and not w.is_subtask
    group by w.client_id, 2
), shares as (
    select client_id, sum(items) as items, sum(items) filter (where is_unplanned) as unplanned,
           (array_agg(category order by items desc, category))[1] as largest, max(items) as largest_items,
           string_agg(category || ' ' || items, ', ' order by items desc, category) as all_text,
           string_agg(lower(category), ', ' order by items desc, category) filter (where is_unplanned) as unplanned_text
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
       'the 90 days up to ' || to_char(c.today, 'FMDD Mon YYYY') as period_text
from clients c
left join shares s using (client_id)
left join failures f using (client_id)
left join rates k using (client_id)
cross join lateral (
    values
        ('largest', 1, 'Where most effort went', 'share of effort',
         case when s.items >= 5 then s.largest || ' ' || to_char(100.0 * s.largest_items / s.items, 'FM990') || ' %' else '—' end,
         case when not c.has_items then 'No issue tracker is connected: it would say what the work was for.'
              when coalesce(s.items, 0) < 5 then coalesce(s.items, 0) || ' of 5 items finished: not enough yet'
              else 'of ' || s.items || ' finished items. All: ' || s.all_text end),
        ('unplanned', 2, 'How much came up unplanned', 'unplanned work',
         case when s.items >= 5 then to_char(100.0 * coalesce(s.unplanned, 0) / s.items, 'FM990') || ' %' else '—' end,
         case when not c.has_items then 'No issue tracker is connected.'
              when coalesce(s.items, 0) < 5 then coalesce(s.items, 0) || ' of 5 items finished: not enough yet'
              else coalesce(s.unplanned, 0) || ' of ' || s.items || ' finished items' || coalesce(' (' || s.unplanned_text || ')', '') end),
        ('failure', 3, 'How long failures lasted', 'hours until recovered',
         case when coalesce(f.n, 0) = 0 then 'none' else to_char(f.recovery, 'FM999,990') || ' hours' end,
         case when coalesce(f.n, 0) = 0 then 'no release failed'
              else f.n || case f.n when 1 then ' failed release' else ' failed releases' end || ' together'
                   || case when f.open > 0 then '; ' || f.open || ' not recovered yet, not counted' else '' end
                   || case when f.guesses > 0 then '; ' || f.guesses || ' rest on time alone' else '' end end),
        ('repair', 4, 'How much work repairs took', 'hours of repair',
         case when coalesce(f.repairs, 0) = 0 then 'none' else to_char(f.repair, 'FM999,990') || ' hours' end,
         case when coalesce(f.repairs, 0) = 0 then 'no hotfix or revert was found'
              else f.repairs || case f.repairs when 1 then ' hotfix or revert' else ' hotfixes and reverts' end
                   || ', each from its first commit to production' end),
        ('money', 5, 'What failures cost', 'cost of failed changes',
         case when f.currency is not null then to_char(f.money, 'FM999,999,999,990') || ' ' || f.currency
              when k.given and coalesce(f.n, 0) = 0 then 'nothing' else '—' end,
         case when k.given then 'at your own rates: these hours times what you said an hour costs'
              else 'In hours only: nobody has said what an hour costs. Your data team can (settings cost.currency, '
                   || 'cost.hour_of_failure, cost.hour_of_work).' end)
) r (topic, sort_order, question, term, answer, note);
