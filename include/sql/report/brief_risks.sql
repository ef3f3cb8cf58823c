-- One row per thing that is at risk now: an open incident, or work or a pull request open for longer than is usual.
--
-- Usual is the 85th percentile of those finished in the last 90 days, if there were at least ten; otherwise 14 days for work,
-- and 7 for a pull request.
with finished as (
    select client_id, 'work' as kind, percentile_cont(0.85) within group (order by cycle_time_hours) as hours,
           count(cycle_time_hours) as n
    from core.work_items
    where done_on >= current_date - 90 and not is_incident
    group by 1
    union all
    select client_id, 'pull_request', percentile_cont(0.85) within group (order by hours), count(hours)
    from (
        select distinct client_id, pull_request_id, core.hours_between(opened_at, merged_at) as hours
        from core.changes
        where merged_at >= current_date - 90 and pull_request_id is not null and not is_bot and not carries_others
    ) m
    group by 1
), open as (
    select i.client_id, 'incident' as kind, 1 as kind_order, i.key || coalesce(' ' || nullif(i.title, ''), '') as title, i.url, i.service_id,
           i.created_at as open_since
    from core.incidents i
    where i.resolved_at is null
    union all
    select w.client_id, 'work', 2, w.key || coalesce(' ' || nullif(w.summary, ''), ''), w.url, w.service_id, w.started_at
    from core.work_items w
    where w.done_on is null and w.started_on is not null and w.status_category <> 'done' and not w.is_incident
    union all
    select p.client_id, 'pull_request', 3, coalesce(r.full_name || '#' || p.number || ' ', '') || p.title, p.url, null,
           coalesce(p.ready_at, p.created_at)
    from core.pull_requests p
    left join core.repositories r on (r.client_id, r.integration_id, r.id) = (p.client_id, p.integration_id, p.repository_id)
    where p.state = 'open' and p.deleted_at is null and not p.is_draft and not p.author_is_bot
), aged as (
    select o.*, core.hours_between(o.open_since, now()) as age_hours,
           case when o.kind <> 'incident' then
               coalesce(case when f.n >= 10 then f.hours end, case o.kind when 'work' then 14 * 24 else 7 * 24 end) end as usual_hours,
           coalesce(f.n >= 10, false) as is_measured
    from open o
    left join finished f on (f.client_id, f.kind) = (o.client_id, o.kind)
)
select
    a.client_id, a.kind, a.kind_order,
    case a.kind when 'incident' then 'Open incidents' when 'work' then 'Work in progress for longer than usual'
                else 'Pull requests open for longer than usual' end as kind_label,
    a.title, a.url, s.name as service_name, a.open_since, a.age_hours, core.display_text('hours', a.age_hours) as age_text, a.usual_hours,
    case when a.is_measured then '85 % of those finished in the last 90 days took at most ' || core.display_text('hours', a.usual_hours)
         when a.usual_hours is not null then 'longer than ' || core.display_text('hours', a.usual_hours)
             || '; too few were finished to say what is usual' end as usual_text,
    row_number() over (of_kind order by a.open_since, a.title) as place, count(*) over of_kind as of_this_kind
from aged a
left join core.services s on (s.client_id, s.id) = (a.client_id, a.service_id)
where a.usual_hours is null or a.age_hours > a.usual_hours
window of_kind as (partition by a.client_id, a.kind);
