-- One row per client and question about its work items: the answer in words. Without an issue tracker, one row that says so.
with clients as (
    select c.id as client_id, c.name as client_name, t.computed_through as today,
           exists (select from core.work_items w where w.client_id = c.id) as has_items,
           exists (select from core.integrations i where i.client_id = c.id and i.active and i.integration_type = 'jira') as has_tracker
    from core.clients c
    join core.dora_state t on t.client_id = c.id
), done as (
    select c.client_id, count(w.id) filter (where w.done_on > c.today - 30) as recent,
           count(w.id) filter (where w.done_on <= c.today - 30) as before,
           sum(w.waiting_hours) filter (where w.waiting_hours is not null and w.done_on > c.today - 30) as waiting,
           sum(w.cycle_time_hours) filter (where w.waiting_hours is not null and w.done_on > c.today - 30) as cycle,
           count(w.waiting_hours) filter (where w.done_on > c.today - 30) as n_waiting
    from clients c
    left join core.work_items w on w.client_id = c.client_id and w.done_on > c.today - 60 and w.done_on <= c.today
    group by c.client_id
), doing as (
    select a.client_id, count(*) as n, count(*) filter (where a.is_over) as over, max(a.age_hours) as oldest,
           count(a.p85_hours) as n_known
    from report.work_ageing a
    group by a.client_id
), waiting as (
    select client_id, string_agg(x, ', ' order by x) as statuses
    from core.system_settings
    cross join lateral jsonb_array_elements_text(case when jsonb_typeof(setting_value) = 'array' then setting_value end) x
    where setting_key = 'work.waiting_statuses'
    group by client_id
)
select c.client_id, c.client_name, r.topic, r.sort_order, r.question, r.term, r.answer, r.note, r.is_alert, v.verdict,
       v.verdict_text,
       format(core.say('the 30 days up to %s'), core.day_text(c.today)) as period_text
from clients c
join done d using (client_id)
left join doing g using (client_id)
left join waiting t using (client_id)
left join core.work_percentiles p on (p.client_id, p.scope_type, p.scope_id) = (c.client_id, 'client', '')
cross join lateral (
    values
        ('none', 0, null, null, null,
         case when c.has_tracker then core.say('Jira is connected, but no issue has been read yet. This page fills with the first complete run.')
              else core.say('No issue tracker is connected, so nothing can be said about work items. Your data team can connect Jira.') end,
         false),
        ('throughput', 1, core.say('How much gets finished'), core.say('throughput'),
         format(case when d.recent = 1 then core.say('%s item') else core.say('%s items') end, d.recent),
         format(core.say('finished in these 30 days; %s in the 30 days before'), d.before), false),
        ('cycle_time', 2, core.say('How long an item takes'), core.say('cycle time'), core.display_text('hours', p.p50_hours),
         case when p.p50_hours is null then format(core.say('%s of %s items finished in 90 days: not enough yet'), p.sample_size, p.needed)
              else format(core.say('half took less; 85 of 100 at most %s (%s items in 90 days)'), core.display_text('hours', p.p85_hours), p.sample_size) end, false),
        ('in_progress', 3, core.say('How much is being worked on'), core.say('work in progress'),
         format(case when g.n = 1 then core.say('%s item') else core.say('%s items') end, coalesce(g.n, 0)),
         core.say('started and not finished when today began; epics are not counted'), false),
        ('ageing', 4, core.say('What takes too long'), core.say('ageing work in progress'),
         case when coalesce(g.n, 0) = 0 then core.say('nothing') when g.n_known = 0 then '—'
              else format(case when g.over = 1 then core.say('%s item') else core.say('%s items') end, g.over) end,
         case when coalesce(g.n, 0) = 0 then core.say('nothing is in progress')
              when g.n_known = 0 then format(core.say('%s of %s items finished: not known yet what is usual'), p.sample_size, p.needed)
              else format(core.say('older than 85 of 100 finished ones were; the oldest is %s old'), core.display_text('hours', g.oldest)) end,
         coalesce(g.over, 0) > 0),
        ('flow_efficiency', 5, core.say('How much of the time is work'), core.say('flow efficiency'),
         case when d.n_waiting >= p.needed and d.cycle > 0
              then core.percent(1 - d.waiting / d.cycle) || ' %' else '—' end,
         case when t.statuses is null
                  then core.say('Not known: nobody has said in which statuses items wait. Your data team can (setting work.waiting_statuses).')
              when d.n_waiting < p.needed then format(core.say('%s of %s items finished: not enough yet'), d.n_waiting, p.needed)
              else format(core.say('of the time from start to end; the rest was waiting in %s'), t.statuses) end, false)
) r (topic, sort_order, question, term, answer, note, is_alert)
left join lateral (
    select g.verdict, g.verdict_text
    from report.metric_signals g
    where (g.client_id, g.metric_type, g.scope_type, g.scope_id) = (c.client_id, r.topic, 'client', '') and g.is_current
) v on true
where (r.topic = 'none') = not c.has_items;
