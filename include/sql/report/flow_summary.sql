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
       format(core.say('the 30 days up to %s'), core.day_text(d.today)) as period_text
from done d
left join doing g using (client_id)
left join core.review_load l using (client_id)
left join core.work_percentiles p on (p.client_id, p.scope_type, p.scope_id) = (d.client_id, 'pull_requests', '')
cross join lateral (select coalesce(p.needed, 5) as needed) m
cross join lateral (
    values
        ('none', 0, null, null, null,
         core.say('No pull request has been merged yet, or no source of them is connected. Your data team can connect GitHub.'), false),
        ('merged', 1, core.say('How many changes are finished'), core.say('merged pull requests'), d.recent::text,
         format(core.say('in these 30 days; %s in the 30 days before'), d.before), false),
        ('pickup', 2, core.say('How long until somebody looks'), core.say('review wait'),
         case when d.n_pickup >= m.needed then core.display_text('hours', d.pickup[1]) else '—' end,
         case when d.n_pickup < m.needed then format(core.say('%s of %s reviewed changes: not enough yet'), d.n_pickup, m.needed)
              else format(core.say('half waited less; 85 of 100 at most %s'), core.display_text('hours', d.pickup[2])) end, false),
        ('load', 3, core.say('Who carries the reviews'), core.say('review load'),
         case when l.half_reviewers is not null
              then format(core.say('%s of %s people'), l.half_reviewers, l.reviewers) else '—' end,
         case when l.half_reviewers is not null then format(core.say('gave half of the reviews of %s changes'), l.reviews)
              else core.say('fewer than five people reviewed: Pulse counts nothing by so few') end, false),
        ('ageing', 4, core.say('What waits too long'), core.say('open pull requests'),
         case when coalesce(g.n, 0) = 0 then core.say('nothing') when p.p85_hours is null then '—'
              else format(core.say('%s of %s'), g.over, g.n) end,
         case when coalesce(g.n, 0) = 0 then core.say('no pull request is open')
              when p.p85_hours is null then format(core.say('%s of %s finished: not known yet what is usual'), coalesce(p.sample_size, 0), m.needed)
              else format(core.say('open for longer than 85 of 100 took (%s); %s'), core.display_text('hours', p.p85_hours),
                          case when g.oldest = 0 then core.say('all were opened today')
                               else format(core.say('the oldest for %s'), core.display_text('hours', g.oldest)) end) end,
         coalesce(g.over, 0) > 0),
        ('unreviewed', 5, core.say('What nobody looked at'), core.say('merged without review'),
         case when d.recent >= 20 then core.percent(d.unreviewed::double precision / d.recent) || ' %'
              when d.recent > 0 then format(core.say('%s of %s'), d.unreviewed, d.recent) else '—' end,
         case when d.recent = 0 then core.say('nothing was merged in these 30 days')
              else format(core.say('%s of %s changes went in without another person''s review'), d.unreviewed, d.recent) end, false)
) r (topic, sort_order, question, term, answer, note, is_alert)
where (r.topic = 'none') = not d.has_any;
