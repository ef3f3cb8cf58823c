-- One row per open pull request that is not automation's: how long it has been open, against what 85 % of the merged ones took.
select
    o.client_id, c.name as client_name, o.pull_request_id, o.repository as service_name, o.number, o.title, o.url, o.opened_on,
    o.age_hours, o.stage, round((o.age_hours / 24)::numeric, 1)::double precision as age_days,
    core.display_text('hours', o.age_hours) as age_text, o.size_lines,
    case o.stage when 'draft' then core.say('Draft') when 'waiting' then core.say('Waits for a first review')
                 when 'in_review' then core.say('In review') else core.say('Approved, not merged') end as stage_text,
    p.p85_hours, coalesce(o.age_hours > p.p85_hours and o.stage <> 'draft', false) as is_over,
    case when p.p85_hours is null then core.say('Not known yet what is usual')
         when o.age_hours > p.p85_hours and o.stage <> 'draft' then core.say('Older than 85 % of the merged ones')
         else core.say('Not unusual') end as age_class,
    case when p.p85_hours is null then '' when o.age_hours > p.p85_hours and o.stage <> 'draft' then '▲ ' || core.say('too long') else core.say('usual') end
        as age_sign
from core.open_pull_requests o
join core.clients c on c.id = o.client_id
left join core.work_percentiles p on (p.client_id, p.scope_type, p.scope_id) = (o.client_id, 'pull_requests', '');
