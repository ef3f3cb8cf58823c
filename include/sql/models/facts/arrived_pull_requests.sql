-- Temporary table arrived_pull_requests: of the touched pull requests, those that were merged into a branch other than
-- production and came to production with it.
-- Grain: one row per pull request. position: where it came to the production branch; null where its branch was only deployed.
-- It came with a merge of its branch into the production branch (its merge commit is in the history there), with a pull request
-- that was merged there as one commit (and has its merge commit), or in a deployment of its branch. Then it is no change of
-- its own if it copies a change of the default branch. One that was opened to bring others is no change either.
-- Index: (integration_id, id)
with elsewhere as (
    select p.integration_id, p.id, p.repository_id, p.merge_commit_sha, v.by_time, v.branches
    from touched_pull_requests q
    join core.pull_requests p on (p.integration_id, p.id) = (q.integration_id, q.id)
    join live_services v
      on (v.integration_id, v.repository_id) = (p.integration_id, p.repository_id) and v.path_pattern is null
    where p.merged_at is not null and p.deleted_at is null and p.merge_commit_sha is not null
      and p.base_branch !~* v.branches and p.head_branch !~* v.branches
      and not exists (
          select from core.carried_pull_requests c
          where (c.integration_id, c.carried_by) = (p.integration_id, p.id) and c.came_first)
), copies as (
    -- those of which a commit is that of the default branch once more
    select e.integration_id, e.id
    from elsewhere e
    cross join lateral (
        select e.merge_commit_sha as sha
        union all
        (select k.sha from core.pull_request_commits k
         where (k.integration_id, k.pull_request_id) = (e.integration_id, e.id)
         order by k.position desc, k.sha limit 1)
    ) own
    join core.held_commits h
      on (h.integration_id, h.repository_id, h.commit_sha) = (e.integration_id, e.repository_id, own.sha)
     and h.holds_sha <> h.commit_sha
    join core.commits g
      on (g.integration_id, g.repository_id, g.sha) = (h.integration_id, h.repository_id, h.holds_sha)
     and g.position is not null
)
select e.integration_id, e.id, least(merge.position, carrier.position) as position, carrier.id as carried_by
from elsewhere e
left join lateral (
    select g.position from core.commits g
    where (g.integration_id, g.repository_id, g.sha) = (e.integration_id, e.repository_id, e.merge_commit_sha)
      and not e.by_time
    offset 0
) merge on true
left join lateral (
    select p.id, case when e.by_time then extract(epoch from p.merged_at)::bigint else g.position end as position
    from core.carried_pull_requests c
    join core.pull_requests p on (p.integration_id, p.id) = (c.integration_id, c.carried_by)
    left join core.commits g
      on (g.integration_id, g.repository_id, g.sha) = (p.integration_id, p.repository_id, p.merge_commit_sha)
    where (c.integration_id, c.pull_request_id) = (e.integration_id, e.id) and p.base_branch ~* e.branches
    order by 2, p.merged_at, p.id limit 1
) carrier on true
where merge.position is not null or carrier.id is not null
   or not e.by_time
      and exists (
          select from core.held_commits h
          where (h.integration_id, h.repository_id, h.commit_sha) = (e.integration_id, e.repository_id, e.merge_commit_sha))
      and not exists (select from copies c where (c.integration_id, c.id) = (e.integration_id, e.id))
