-- Temporary table queued_commits: the commits that were written since the last run.
-- Grain: one row per commit of a repository.
select integration_id, split_part(key, ':', 1)::bigint as repository_id, split_part(key, ':', 2) as sha
from queue
where fact = 'commit'
