-- Temporary table merged_pull_requests: size and reviews of merged pull requests, by scope and the day of the merge.
-- Grain: one row per scope and pull request, without those of bots where the client leaves them out. Of a monorepo, a pull
-- request that touches several services of a scope is one, with the size of what it changed in them.
-- Index: (scope_no, day)
with facts as materialized (
    select x.service_id, x.integration_id, x.pull_request_id, x.merged_on as day,
           x.additions::double precision + x.deletions as size,
           x.review_count::double precision + x.comment_count as depth, x.changes_requested_count as cycles,
           (not x.is_reviewed)::integer as unreviewed, (x.reopened_count > 0)::integer as reopened,
           v.has_parts or v.path_pattern is not null as may_be_several
    from core.changes x
    join live_services v on v.id = x.service_id
    where x.pull_request_id is not null and not x.carries_others
      and x.merged_at >= (select from_at from counted_days where family = 'pull_requests')
      and x.merged_on >= (select from_day from counted_days where family = 'pull_requests')
      and x.merged_on < (select until_day from counted_days where family = 'pull_requests')
      and not (x.is_bot and (select exclude_bots from settings))
), placed as (
    select 1 as scope_no, f.* from facts f
    union all
    select m.scope_no, f.*
    from facts f
    join counted_services m on m.family = 'pull_requests' and m.service_id = f.service_id
)
select scope_no, day, size, depth, cycles, unreviewed, reopened from placed where not may_be_several
union all
select scope_no, day, sum(size), max(depth), max(cycles), max(unreviewed), max(reopened)
from placed
where may_be_several
group by scope_no, day, integration_id, pull_request_id
order by scope_no, day
