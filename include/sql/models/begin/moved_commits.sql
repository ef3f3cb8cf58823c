-- Temporary table moved_commits: the commits whose deployments an increment reads again.
-- Grain: one row per commit of a repository.
-- Those that were written, and what a written merge has brought; all that merges have brought where a written commit has no
-- place in the history.
with placed as (
    select distinct q.integration_id, q.repository_id, m.position
    from queued_commits q
    cross join lateral (
        select max(m.position) as position from core.commits m
        where (m.integration_id, m.repository_id, m.sha) = (q.integration_id, q.repository_id, q.sha)
    ) m
)
select integration_id, repository_id, sha from queued_commits
union
select q.integration_id, q.repository_id, b.sha
from placed q
cross join lateral (
    select g.sha from core.commits g
    where (g.integration_id, g.repository_id, g.position) = (q.integration_id, q.repository_id, q.position)
      and not g.is_first_parent
    union all
    select g.sha from core.commits g
    where q.position is null and (g.integration_id, g.repository_id) = (q.integration_id, q.repository_id)
      and g.position is not null and not g.is_first_parent
    offset 0
) b
