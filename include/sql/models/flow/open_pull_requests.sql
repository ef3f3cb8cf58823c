-- Table core.open_pull_requests: how long the open pull requests of people and coding agents have waited, and for what.
-- Grain: one row per open pull request. A run later on the day gives the same age.
-- Per: client
select p.integration_id, p.id as pull_request_id, coalesce(split_part(r.full_name, '/', 2), p.service_name, '') as repository, p.number, p.title, p.url,
       (o.opened_at at time zone s.time_zone)::date as opened_on,
       coalesce(core.elapsed_hours(o.opened_at, s.today::timestamp at time zone s.time_zone, s.working), 0) as age_hours,
       p.additions::bigint + p.deletions as size_lines,
       case when p.is_draft then 'draft' when p.approved_at is not null then 'approved'
            when p.first_review_at is not null then 'in_review' else 'waiting' end as stage
from core.pull_requests p
cross join settings s
left join core.repositories r on (r.integration_id, r.id) = (p.integration_id, p.repository_id)
cross join lateral (select coalesce(p.ready_at, p.created_at) as opened_at) o
where p.state = 'open' and p.deleted_at is null
  and (not (p.author_is_bot or coalesce(p.author_login ~* s.bots, false)) or coalesce(p.author_login ~* s.agents, false))
