-- One row per finished item that was worked on, the latest 1,500 of a client: how long it took, and the usual range.
select client_id, work_item_id, project_key, key, url, issue_type, summary, done_at, cycle_time_hours, cycle_time_text, p50_hours, p85_hours
from (
    select w.client_id, w.id as work_item_id, w.project_key, w.key, w.url, w.issue_type, w.summary, l.done_at,
           w.cycle_time_hours, core.display_text('hours', w.cycle_time_hours) as cycle_time_text, p.p50_hours, p.p85_hours,
           row_number() over (partition by w.client_id order by w.done_at desc, w.id) as n
    from core.work_items w
    join core.clients c on c.id = w.client_id
    left join core.work_percentiles p on (p.client_id, p.scope_type, p.scope_id) = (w.client_id, 'client', '')
    cross join lateral (select w.done_at at time zone c.time_zone as done_at) l
    where w.cycle_time_hours is not null and not w.is_epic
) latest
where n <= 1500;
