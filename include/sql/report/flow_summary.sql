-- One row per client and question about its pull requests: the answer in words. Without any, one row that says so.
with done as (
    select t.client_id, t.computed_through as today, c.name as client_name,
           count(distinct x.pull_request_id) filter (where x.merged_on > t.computed_through - 30) as recent,
           count(distinct x.pull_request_id) filter (where x.merged_on <= t.computed_through - 30) as before,
           count(distinct x.pull_request_id) filter (where x.merged_on > t.computed_through - 30 and not x.is_reviewed) as unreviewed,
           count(x.pickup_hours) filter (where x.merged_on > t.computed_through - 30) as n_pickup,
           percentile_cont(array[0.5, 0.85]) within group (order by x.pickup_hours)
               filter (where x.merged_on > t.computed_through - 30) as pickup,
           exists (select from core.changes a where a.client_id = t.client_id and a.pull_request_id is not null) as has_any
    from core.dora_state t
    join core.clients c on c.id = t.client_id
    left join core.changes x on x.client_id = t.client_id and x.merged_on > t.computed_through - 60
        and x.merged_on <= t.computed_through and x.pull_request_id is not null and not x.is_bot
        and not x.carries_others
    group by t.client_id, t.computed_through, c.name
), doing as (
    select client_id, count(*) as n, count(*) filter (where is_over) as over, max(age_hours) as oldest
    from report.open_pull_requests
    group by client_id
)
select d.client_id, d.client_name, r.topic, r.sort_order, r.question, r.term, r.answer, r.note, r.is_alert,
       'the 30 days up to ' || to_char(d.today, 'FMDD Mon YYYY') as period_text
from done d
left join doing g using (client_id)
left join core.review_load l using (client_id)
left join core.work_percentiles p on (p.client_id, p.scope_type, p.scope_id) = (d.client_id, 'pull_requests', '')
cross join lateral (select coalesce(p.needed, 5) as needed) m
cross join lateral (
    values
        ('none', 0, null, null, null,
         'No pull request has been merged yet, or no source of them is connected. Your data team can connect GitHub.', false),
        ('merged', 1, 'How many changes are finished', 'merged pull requests', d.recent::text,
         'in these 30 days; ' || d.before || ' in the 30 days before', false),
        ('pickup', 2, 'How long until somebody looks', 'review wait',
         case when d.n_pickup >= m.needed then core.display_text('hours', d.pickup[1]) else '—' end,
         case when d.n_pickup < m.needed then d.n_pickup || ' of ' || m.needed || ' reviewed changes: not enough yet'
              else 'half waited less; 85 of 100 at most ' || core.display_text('hours', d.pickup[2]) end, false),
        ('load', 3, 'Who carries the reviews', 'review load',
         case when l.half_reviewers is not null
              then l.half_reviewers || ' of ' || l.reviewers || case when l.reviewers = 1 then ' person' else ' people' end else '—' end,
         case when l.half_reviewers is not null then 'gave half of the reviews of ' || l.reviews || ' changes'
              else 'fewer than five people reviewed: Pulse counts nothing by so few' end, false),
        ('ageing', 4, 'What waits too long', 'open pull requests',
         case when coalesce(g.n, 0) = 0 then 'nothing' when p.p85_hours is null then '—' else g.over || ' of ' || g.n end,
         case when coalesce(g.n, 0) = 0 then 'no pull request is open'
              when p.p85_hours is null then coalesce(p.sample_size, 0) || ' of ' || m.needed || ' finished: not known yet what is usual'
              else 'open for longer than 85 of 100 took (' || core.display_text('hours', p.p85_hours) || '); '
                   || case when g.oldest = 0 then 'all were opened today' else 'the oldest for ' || core.display_text('hours', g.oldest) end end,
         coalesce(g.over, 0) > 0),
        ('unreviewed', 5, 'What nobody looked at', 'merged without review',
         case when d.recent >= 20 then to_char(100.0 * d.unreviewed / d.recent, 'FM990') || ' %'
              when d.recent > 0 then d.unreviewed || ' of ' || d.recent else '—' end,
         case when d.recent = 0 then 'nothing was merged in these 30 days'
              else d.unreviewed || ' of ' || d.recent || ' changes went in without another person''s review' end, false)
) r (topic, sort_order, question, term, answer, note, is_alert)
where (r.topic = 'none') = not d.has_any;
