-- One row per client and question about changes made with AI in the last 90 days: the answer in words.
--
-- All are lower bounds: whoever uses a tool that leaves no sign is not seen.
with counted as (
    select t.client_id, t.computed_through as today, k.name as client_name, count(a.change_id) filter (where a.recent) as n,
           count(*) filter (where a.recent and a.is_ai) as with_ai, count(*) filter (where a.recent and a.ai = 'agent') as by_agents,
           count(a.change_id) filter (where not a.recent) as n_before, count(*) filter (where not a.recent and a.is_ai) as with_ai_before,
           exists (select from core.changes c where c.client_id = t.client_id and c.pull_request_id is not null) as has_any
    from core.dora_state t
    join core.clients k on k.id = t.client_id
    left join lateral (
        select x.change_id, x.ai, x.is_ai, x.is_recent as recent
        from report.ai_changes x where x.client_id = t.client_id and x.merged_on > t.computed_through - 180
    ) a on true
    group by t.client_id, t.computed_through, k.name
), tools as (
    select client_id, (array_agg(tool order by changes desc, tool))[1] as most, max(changes) as most_changes,
           string_agg(tool || ' ' || changes, ', ' order by changes desc, tool) as all_text
    from report.ai_tools
    group by client_id
), services as (
    select t.client_id, a.service_name, count(*) filter (where a.is_ai) as with_ai, count(*) as n,
           row_number() over (partition by t.client_id order by 1.0 * count(*) filter (where a.is_ai) / count(*) desc, a.service_name) as place
    from core.dora_state t
    join report.ai_changes a on a.client_id = t.client_id and a.is_recent
    group by t.client_id, a.service_name
    having count(*) >= 20
)
select c.client_id, c.client_name, r.topic, r.sort_order, r.question, r.term, r.answer, r.note,
       format(core.say('the 90 days up to %s'), core.day_text(c.today)) as period_text
from counted c
left join tools t using (client_id)
left join services s on (s.client_id, s.place) = (c.client_id, 1)
left join report.ai_outcomes o on (o.client_id, o.measure) = (c.client_id, 'lead_time')
left join report.ai_outcomes f on (f.client_id, f.measure) = (c.client_id, 'failed')
cross join lateral (
    values
        ('none', 0, null, null, null,
         core.say('No pull request has been merged yet, or no source of them is connected. Your data team can connect GitHub.')),
        ('share', 1, core.say('How much is made with AI'), core.say('changes that bear a sign of AI'),
         case when c.n >= 20 then format(core.say('at least %s %%'), core.percent(c.with_ai::double precision / c.n, down => true))
              when c.n > 0 then format(core.say('%s of %s'), c.with_ai, c.n) else '—' end,
         case when c.n = 0 then core.say('no change was merged in these 90 days') else
              format(core.say('%s of %s merged changes'), c.with_ai, c.n)
              || case when c.n_before >= 20 then format(core.say('; at least %s %% in the 90 days before'), core.percent(c.with_ai_before::double precision / c.n_before, down => true)) else '' end end),
        ('agents', 2, core.say('How much agents do alone'), core.say('opened by a coding agent'), c.by_agents::text,
         case when c.by_agents = 0 then core.say('no change was opened by a coding agent')
              else format(core.say('of %s merged changes were opened by a coding agent'), c.n) end),
        ('tools', 3, core.say('Which tools'), core.say('signs in the changes'), coalesce(t.most, core.say('none seen')),
         case when t.most is null then core.say('no change bears the sign of a tool that Pulse knows')
              else format(core.say('signs found: %s'), t.all_text) end),
        ('service', 4, core.say('Where it is used most'), core.say('share by service'),
         case when s.with_ai > 0 then s.service_name else '—' end,
         case when s.n is null then core.say('no service has 20 merged changes yet')
              when s.with_ai = 0 then core.say('no service with 20 changes has one with AI')
              else format(core.say('at least %s %%: %s of %s changes'), core.percent(s.with_ai::double precision / s.n, down => true), s.with_ai, s.n) end),
        ('outcome', 5, core.say('Is it faster, is it safer'), core.say('against comparable changes'),
         case when not (o.enough or f.enough) then '—'
              when o.verdict = 'none' and f.verdict = 'none' then core.say('no difference')
              else concat_ws(', ', case o.verdict when 'better' then core.say('faster') when 'worse' then core.say('slower') end,
                             case f.verdict when 'better' then core.say('fails less') when 'worse' then core.say('fails more') end) end,
         case when not (o.enough or f.enough) then core.say('not enough comparable changes yet')
              else format(core.say('lead time: %s; failed releases: %s; the last 180 days'), o.verdict_text, f.verdict_text) end)
) r (topic, sort_order, question, term, answer, note)
where (r.topic = 'none') = not c.has_any;
