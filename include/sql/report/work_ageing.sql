-- One row per item in progress: how old it is, against what 85 % of its project's finished items took at most.
--
-- Where the project has too few of them, against those of the whole client.
select
    a.client_id, c.name as client_name, w.id as work_item_id, w.project_key, w.key, w.url, w.issue_type, w.summary, w.status,
    st.status_order, s.name as service_name, w.started_on, a.age_hours, round((a.age_hours / 24)::numeric, 1)::double precision as age_days,
    core.display_text('hours', a.age_hours) as age_text, e.p85_hours,
    case when e.p85_hours is not null then core.display_text('hours', e.p85_hours) else core.say('not known yet') end as p85_text,
    coalesce(a.age_hours > e.p85_hours, false) as is_over,
    case when e.p85_hours is null then core.say('Not known yet what is usual')
         when a.age_hours > e.p85_hours then core.say('Older than 85 % of the finished ones')
         else core.say('Not unusual') end as age_class,
    case when e.p85_hours is null then '' when a.age_hours > e.p85_hours then '▲ ' || core.say('too long') else core.say('usual') end as age_sign
from core.work_ageing a
join core.clients c on c.id = a.client_id
join core.work_items w on (w.client_id, w.id) = (a.client_id, a.id)
left join core.services s on (s.client_id, s.id) = (w.client_id, w.service_id)
left join core.work_percentiles p on (p.client_id, p.scope_type, p.scope_id) = (w.client_id, 'project', w.project_key)
left join core.work_percentiles o on (o.client_id, o.scope_type, o.scope_id) = (w.client_id, 'client', '')
cross join lateral (select coalesce(p.p85_hours, o.p85_hours) as p85_hours) e
cross join lateral (
    select case w.status_category when 'new' then 1 when 'indeterminate' then 2 else 3 end as status_order
) st;
