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
select c.client_id, c.client_name, r.topic, r.sort_order, r.question, r.term, r.answer, r.note, r.is_alert,
       'the 30 days up to ' || to_char(c.today, 'FMDD Mon YYYY') as period_text
from clients c
join done d using (client_id)
left join doing g using (client_id)
left join waiting t using (client_id)
left join core.work_percentiles p on (p.client_id, p.scope_type, p.scope_id) = (c.client_id, 'client', '')
cross join lateral (
    values
        ('none', 0, null, null, null,
         case when c.has_tracker then 'Jira is connected, but no issue has been read yet. This page fills with the first complete run.'
              else 'No issue tracker is connected, so nothing can be said about work items. Your data team can connect Jira.' end,
         false),
        ('throughput', 1, 'How much gets finished', 'throughput', d.recent || case d.recent when 1 then ' item' else ' items' end,
         'finished in these 30 days; ' || d.before || ' in the 30 days before', false),
        ('cycle_time', 2, 'How long an item takes', 'cycle time', core.display_text('hours', p.p50_hours),
         case when p.p50_hours is null then p.sample_size || ' of ' || p.needed || ' items finished in 90 days: not enough yet'
              else 'half took less; 85 of 100 at most ' || core.display_text('hours', p.p85_hours) || ' (' || p.sample_size
                   || ' items in 90 days)' end, false),
        ('in_progress', 3, 'How much is being worked on', 'work in progress',
         coalesce(g.n, 0) || case g.n when 1 then ' item' else ' items' end, 'started and not finished when today began; epics are not counted', false),
        ('ageing', 4, 'What takes too long', 'ageing work in progress',
         case when coalesce(g.n, 0) = 0 then 'nothing' when g.n_known = 0 then '—'
              else g.over || case g.over when 1 then ' item' else ' items' end end,
         case when coalesce(g.n, 0) = 0 then 'nothing is in progress'
              when g.n_known = 0 then p.sample_size || ' of ' || p.needed || ' items finished: not known yet what is usual'
              else 'older than 85 of 100 finished ones were; the oldest is ' || core.display_text('hours', g.oldest) || ' old' end,
         coalesce(g.over, 0) > 0),
        ('flow_efficiency', 5, 'How much of the time is work', 'flow efficiency',
         case when d.n_waiting >= p.needed and d.cycle > 0
              then to_char((1 - d.waiting / d.cycle) * 100, 'FM990') || ' %' else '—' end,
         case when t.statuses is null
                  then 'Not known: nobody has said in which statuses items wait. Your data team can (setting work.waiting_statuses).'
              when d.n_waiting < p.needed then d.n_waiting || ' of ' || p.needed || ' items finished: not enough yet'
              else 'of the time from start to end; the rest was waiting in ' || t.statuses end, false)
) r (topic, sort_order, question, term, answer, note, is_alert)
where (r.topic = 'none') = not c.has_items;
