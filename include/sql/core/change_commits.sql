-- One row per commit of a change.
--
-- A direct push is its own commit.
select
    c.client_id, c.id as change_id, c.service_id, c.number, c.url, k.sha, k.position, k.authored_at, k.committed_at,
    k.author_login as author, k.headline, c.merged_at
from core.changes c
cross join lateral (
    select x.sha, x.position, x.authored_at, x.committed_at, x.author_login, x.headline
    from core.pull_request_commits x
    where (x.client_id, x.integration_id, x.pull_request_id) = (c.client_id, c.integration_id, c.pull_request_id)
    union all
    select x.sha, 0, x.authored_at, x.committed_at, null, x.headline
    from core.commits x
    where c.id ~ '^[a-z0-9_]+-commit:' and (x.client_id, x.integration_id, x.repository_id, x.sha)
        = (c.client_id, c.integration_id, c.repository_id, c.merge_commit_sha)
) k;
