-- Table core.repositories: the repositories of the client's GitHub integrations, from raw.github_repositories.
-- Grain: one row per repository.
-- All of them are read in every run: they are few, and what else is loaded needs its repository here.
select
    r.integration_id,
    (r.payload ->> 'databaseId')::bigint as id,
    r.payload ->> 'id' as node_id,
    r.payload ->> 'nameWithOwner' as full_name,
    r.payload -> 'defaultBranchRef' ->> 'name' as default_branch,
    r.payload ->> 'url' as url,
    coalesce((r.payload ->> 'isArchived')::boolean, false) as archived,
    (r.payload ->> 'pushedAt')::timestamptz as pushed_at,
    r.deleted_at
from raw.github_repositories r
