-- Temporary table queued_own_commits: the pull requests whose own commits were written since the last run.
-- Grain: one row per pull request.
select integration_id, key::bigint as pull_request_id from queue where fact = 'pull_request_commits'
