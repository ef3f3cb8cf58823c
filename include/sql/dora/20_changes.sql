-- core.changes: one row a pull request merged into its repository's default branch.
-- first_commit_at is the earliest authored (setting dora.commit_date: or committed) date of its commits.
with settings as materialized (
    select core.setting('dora.commit_date', '"authored"') #>> '{}' as commit_date,
           core.setting('dora.hotfix_pattern', '"^(hotfix|emergency)\\M"') #>> '{}' as hotfix_pattern
)
merge into core.changes as t
using (
    select
        p.client_id,
        'gh-pr:' || p.integration_id || ':' || p.id as id,
        'gh-repo:' || p.integration_id || ':' || p.repository_id as service_id,
        p.integration_id,
        p.repository_id,
        p.id as pull_request_id,
        p.number,
        p.title,
        p.url,
        p.author_login as author,
        p.author_is_bot as is_bot,
        p.reverts_number is not null as is_revert,
        (select 'gh-pr:' || u.integration_id || ':' || u.id
         from core.github_pull_requests u
         where (u.client_id, u.integration_id, u.repository_id, u.number)
             = (p.client_id, p.integration_id, p.repository_id, p.reverts_number)
           and u.merged_at is not null and u.deleted_at is null) as reverts_change_id,
        p.title ~* s.hotfix_pattern or p.head_branch ~* s.hotfix_pattern as is_hotfix,
        case s.commit_date when 'committed' then p.first_committed_at else p.first_authored_at end as first_commit_at,
        coalesce(p.ready_at, p.created_at) as opened_at,
        p.first_review_at,
        p.approved_at,
        p.merged_at,
        p.merge_commit_sha,
        c.position as merge_position,
        p.additions,
        p.deletions,
        p.changed_files,
        p.commit_count,
        p.review_count
    from core.github_pull_requests p
    cross join settings s
    join core.github_repositories r
      on (r.client_id, r.integration_id, r.id) = (p.client_id, p.integration_id, p.repository_id)
    left join core.github_commits c
      on (c.client_id, c.integration_id, c.repository_id, c.sha)
       = (p.client_id, p.integration_id, p.repository_id, p.merge_commit_sha)
    where p.client_id = (select core.etl_client_id())
      and p.merged_at is not null and p.deleted_at is null
      and p.base_branch = coalesce(r.default_branch, p.base_branch)
    union all
    select
        c.client_id, 'custom:' || c.integration_id || ':' || c.id, v.id, c.integration_id, v.repository_id, null, null,
        c.title, c.url, c.author, false, c.title ~* '^revert\M', null, c.title ~* s.hotfix_pattern, c.first_commit_at,
        c.opened_at, null, null, c.merged_at, c.merge_sha,
        -- Without a repository there is no commit graph: the order of merges stands for it.
        case when v.repository_id is null then extract(epoch from c.merged_at)::bigint else g.position end,
        0, 0, 0, 0, 0
    from core.custom_changes c
    cross join settings s
    cross join lateral (
        select v.id, v.integration_id, v.repository_id from core.services v
        where v.client_id = c.client_id and lower(v.name) = lower(c.service)
        order by v.repository_id nulls last, v.id limit 1
    ) v
    left join core.github_commits g
      on (g.client_id, g.integration_id, g.repository_id, g.sha)
       = (c.client_id, v.integration_id, v.repository_id, c.merge_sha)
    where c.client_id = (select core.etl_client_id()) and c.deleted_at is null
) as s
on (t.client_id, t.id) = (s.client_id, s.id)
when matched and row(t.*) is distinct from row(s.*) then update set
    service_id = s.service_id, integration_id = s.integration_id, repository_id = s.repository_id,
    pull_request_id = s.pull_request_id, number = s.number, title = s.title, url = s.url, author = s.author,
    is_bot = s.is_bot, is_revert = s.is_revert, reverts_change_id = s.reverts_change_id, is_hotfix = s.is_hotfix,
    first_commit_at = s.first_commit_at, opened_at = s.opened_at, first_review_at = s.first_review_at,
    approved_at = s.approved_at, merged_at = s.merged_at, merge_commit_sha = s.merge_commit_sha,
    merge_position = s.merge_position, additions = s.additions, deletions = s.deletions,
    changed_files = s.changed_files, commit_count = s.commit_count, review_count = s.review_count
when not matched then insert values (
    s.client_id, s.id, s.service_id, s.integration_id, s.repository_id, s.pull_request_id, s.number, s.title, s.url,
    s.author, s.is_bot, s.is_revert, s.reverts_change_id, s.is_hotfix, s.first_commit_at, s.opened_at,
    s.first_review_at, s.approved_at, s.merged_at, s.merge_commit_sha, s.merge_position, s.additions, s.deletions,
    s.changed_files, s.commit_count, s.review_count)
when not matched by source and t.client_id = (select core.etl_client_id()) then delete;
