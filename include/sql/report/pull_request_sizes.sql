-- One row per merged pull request of the last 90 days that was reviewed: its size, and the time from opened to merged.
--
-- Of a monorepo, the whole pull request counts once, with its largest part.
select distinct on (c.client_id, c.integration_id, c.pull_request_id)
    c.client_id, c.pull_request_id, c.service_id, s.name as service_name, c.number, c.title, c.url, c.merged_on,
    c.additions::bigint + c.deletions as size_lines,
    case when c.additions::bigint + c.deletions < 10 then '1 (under 10)' when c.additions::bigint + c.deletions < 50 then '2 (10 to 49)'
         when c.additions::bigint + c.deletions < 200 then '3 (50 to 199)' when c.additions::bigint + c.deletions < 1000 then '4 (200 to 999)'
         else '5 (1,000 or more)' end as size_band,
    c.pickup_hours + c.review_hours as open_hours, (c.pickup_hours + c.review_hours) / 24 as open_days
from core.dora_state t
join core.changes c on c.client_id = t.client_id and c.merged_on > t.computed_through - 90 and c.merged_on <= t.computed_through
join core.services s on (s.client_id, s.id) = (c.client_id, c.service_id)
where c.pull_request_id is not null and not c.is_bot and not c.carries_others and c.is_reviewed and c.pickup_hours + c.review_hours is not null
order by c.client_id, c.integration_id, c.pull_request_id, c.additions::bigint + c.deletions desc;
