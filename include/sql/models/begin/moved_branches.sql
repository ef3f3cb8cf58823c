-- Temporary table moved_branches: the deployed branches that were written, or that began at a moved commit.
-- Grain: one row per deployed commit.
select integration_id, split_part(key, ':', 1)::bigint as repository_id, split_part(key, ':', 2) as sha
from queue
where fact = 'deployed_branch'
union
select b.integration_id, b.repository_id, b.sha
from moved_commits q
join core.deployed_branches b
  on (b.integration_id, b.base_sha, b.repository_id) = (q.integration_id, q.sha, q.repository_id)
