-- One row per risk that needs somebody: open incidents, work that has become old, and services that hang on one person.
--
-- Old: in progress for longer than 85 % of the items that were finished in the last 90 days took. One person: the author of
-- half of a service's changes or more in the last 90 days, of at least ten; no name is shown.
with limits as (
    select w.client_id, percentile_cont(0.85) within group (order by core.hours_between(w.started_at, w.done_at)) as hours,
           count(*) as n
    from core.work_items w
    join core.dora_state t on t.client_id = w.client_id
    where w.done_on > t.computed_through - 90 and w.cycle_time_hours is not null and not w.is_incident
    group by w.client_id
), authors as (
    select c.client_id, c.service_id, c.author, count(*) as n
    from core.changes c
    join core.dora_state t on t.client_id = c.client_id
    where c.merged_on > t.computed_through - 90 and not c.is_bot and c.author is not null
    group by 1, 2, 3
), concentrated as (
    select client_id, service_id, max(n) as most, sum(n) as n
    from authors
    group by 1, 2
    having sum(n) >= 10 and max(n) * 2 >= sum(n) and count(*) > 1
), found as (
    select
        i.client_id, 'open_incident' as kind, 1 as kind_order, 'Open incident' as kind_label, i.key || ' ' || i.title as what, i.url,
        s.name as service_name, extract(epoch from now() - i.created_at) / 3600 as age_hours,
        'open for ' || core.display_text('hours', extract(epoch from now() - i.created_at) / 3600) as why
    from core.incidents i
    left join core.services s on (s.client_id, s.id) = (i.client_id, i.service_id)
    where i.resolved_at is null
    union all
    select
        w.client_id, 'ageing_work', 2, 'Old work in progress', w.key || ' ' || w.summary, w.url, s.name,
        extract(epoch from now() - w.started_at) / 3600,
        'in progress for ' || core.display_text('hours', extract(epoch from now() - w.started_at) / 3600)
            || '; 85 % of items take less than ' || core.display_text('hours', l.hours)
    from core.work_items w
    join limits l on l.client_id = w.client_id and l.n >= 8
    left join core.services s on (s.client_id, s.id) = (w.client_id, w.service_id)
    where w.started_on is not null and w.done_on is null and w.status_category <> 'done' and not w.is_incident
      and now() - w.started_at > l.hours * interval '1 hour'
    union all
    select
        a.client_id, 'one_person', 3, 'Hangs on one person', s.name, null, s.name, null,
        'one person made ' || a.most || ' of the ' || a.n || ' changes of the last 90 days'
    from concentrated a
    join core.services s on (s.client_id, s.id) = (a.client_id, a.service_id)
)
select * from found
union all
select t.client_id, 'nothing', 9, '', 'Nothing stands out', null, null, null,
       'no open incident, no old work, no service that hangs on one person'
from core.dora_state t
where not exists (select from found f where f.client_id = t.client_id);
