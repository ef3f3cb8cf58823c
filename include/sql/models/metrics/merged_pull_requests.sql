-- Temporary table merged_pull_requests: size and reviews of merged pull requests, by scope and the day of the merge.
-- Grain: one row per scope and pull request, without those of bots where the client leaves them out.
-- Index: (scope_no, day)
with facts as materialized (
    select x.service_id, x.merged_on as day, x.additions::double precision + x.deletions as size,
           x.review_count::double precision + x.comment_count as depth, x.changes_requested_count as cycles,
           (not x.is_reviewed)::integer as unreviewed, (x.reopened_count > 0)::integer as reopened
    from core.changes x
    where x.pull_request_id is not null
      and x.merged_at >= (select from_at from counted_days where family = 'pull_requests')
      and x.merged_on >= (select from_day from counted_days where family = 'pull_requests')
      and x.merged_on < (select until_day from counted_days where family = 'pull_requests')
      and not (x.is_bot and (select exclude_bots from settings))
)
select 1 as scope_no, f.* from facts f
union all
select m.scope_no, f.* from facts f join counted_services m on m.family = 'pull_requests' and m.service_id = f.service_id
order by scope_no, day
