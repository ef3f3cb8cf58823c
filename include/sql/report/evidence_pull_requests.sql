-- One row per merged pull request and service that it touches: the evidence for size, review depth, rework cycles, unreviewed
-- and reopened pull requests. Of a monorepo, the client and its teams count each pull_request_id once.
--
-- The service's name is looked up for each row (offset 0), as in evidence_changes.
select
    c.client_id, c.id as change_id, c.service_id, s.name as service_name, c.number, c.title, c.url,
    case when c.is_bot then c.author else core.shown_person(c.client_id, c.author) end as author, c.merged_at,
    c.merged_on, c.additions::bigint + c.deletions as size_lines, c.additions, c.deletions, c.changed_files, c.commit_count,
    c.review_count::bigint + c.comment_count as review_depth, c.review_count, c.comment_count, c.changes_requested_count,
    c.is_reviewed, c.reopened_count, c.is_bot, c.is_revert, c.is_hotfix, c.pull_request_id
from core.changes c
cross join lateral (
    select x.name from core.services x where (x.client_id, x.id) = (c.client_id, c.service_id) offset 0
) s
where c.pull_request_id is not null and not c.carries_others;
