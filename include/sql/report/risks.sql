-- One row per thing that needs somebody now: open incidents, work and pull requests open for longer than usual, and services that
-- hang on one person. A client without any has one row of kind nothing.
--
-- Usual is what 85 % of those finished in the last 90 days took at most; while too few were finished to say so, 14 days for work
-- and 7 for a pull request. One person: the author of half of a service's changes or more in the last 90 days, of at least ten by
-- several people; no name is shown.
with authors as (
    select c.client_id, c.service_id, c.author, count(*) as n
    from core.changes c
    join core.dora_state t on t.client_id = c.client_id
    where c.merged_on > t.computed_through - 90 and not c.is_bot and not c.carries_others and c.author is not null
    group by 1, 2, 3
), concentrated as (
    select client_id, service_id, max(n) as most, sum(n) as n
    from authors
    group by 1, 2
    having sum(n) >= 10 and max(n) * 2 >= sum(n) and count(*) > 1
), aged as (
    select i.client_id, 'incident' as kind, i.key || coalesce(' ' || nullif(i.title, ''), '') as title, i.url, s.name as service_name,
           core.hours_between(i.created_at, now()) as age_hours, null::double precision as usual_hours, false as is_measured
    from core.incidents i
    left join core.services s on (s.client_id, s.id) = (i.client_id, i.service_id)
    where i.resolved_at is null
    union all
    select a.client_id, 'work', a.key || coalesce(' ' || nullif(a.summary, ''), ''), a.url, a.service_name, a.age_hours,
           coalesce(a.p85_hours, 14 * 24), a.p85_hours is not null
    from report.work_ageing a
    join core.work_items w on (w.client_id, w.id) = (a.client_id, a.work_item_id) and not w.is_incident
    union all
    select p.client_id, 'pull_request', coalesce(p.service_name || '#' || p.number || ' ', '') || p.title, p.url, null, p.age_hours,
           coalesce(p.p85_hours, 7 * 24), p.p85_hours is not null
    from report.open_pull_requests p
    where p.stage <> 'draft'
), found as (
    select client_id, kind, title, url, service_name, age_hours, core.display_text('hours', age_hours) as age_text,
           case when is_measured
                    then format(core.say('85 %% of those finished in the last 90 days took at most %s'), core.display_text('hours', usual_hours))
                when usual_hours is not null
                    then format(core.say('longer than %s; too few were finished to say what is usual'), core.display_text('hours', usual_hours))
                end as usual_text
    from aged
    where usual_hours is null or age_hours > usual_hours
    union all
    select a.client_id, 'one_person', s.name, null, s.name, null, format(core.say('%s of %s changes'), a.most, a.n),
           core.say('one person made half of the changes or more in the last 90 days')
    from concentrated a
    join core.services s on (s.client_id, s.id) = (a.client_id, a.service_id)
    union all
    select t.client_id, 'nothing', core.say('Nothing stands out'), null, null, null, null,
           core.say('no open incident, nothing open for longer than usual, no service that hangs on one person')
    from core.dora_state t
    where not exists (select from aged a where a.client_id = t.client_id and (a.usual_hours is null or a.age_hours > a.usual_hours))
      and not exists (select from concentrated a where a.client_id = t.client_id)
)
select
    f.client_id, f.kind, k.kind_order, k.kind_label, f.title, f.url, f.service_name, f.age_hours, f.age_text, f.usual_text,
    row_number() over (of_kind order by f.age_hours desc nulls last, f.title) as place, count(*) over of_kind as of_this_kind
from found f
join (values ('incident', 1, core.say('Open incidents')), ('work', 2, core.say('Work in progress for longer than usual')),
             ('pull_request', 3, core.say('Pull requests open for longer than usual')),
             ('one_person', 4, core.say('Services that hang on one person')),
             ('nothing', 5, '')) k (kind, kind_order, kind_label) on k.kind = f.kind
window of_kind as (partition by f.client_id, f.kind);
