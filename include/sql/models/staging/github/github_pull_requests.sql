-- Statements
-- core.github_pull_requests: one row a pull request, from the raw pull requests loaded since the last run.
-- ready_at is the last time it left draft before the merge, else when it was published. first_review_at is the first review or
-- comment by a person other than the author while it was ready and not merged; where there is none such, the first of all.
-- What it reverts is told by GitHub (reverts_number) or by git, whose message names the commit (reverts_sha).
with source as materialized (
    select r.integration_id, r.scope_key::bigint as repository_id, r.payload as p, r.deleted_at
    from raw.github_pull_requests r
    where r.client_id = (select core.etl_client_id())
      and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
      and exists (
          select from core.github_repositories g
          where g.client_id = r.client_id and g.integration_id = r.integration_id and g.id = r.scope_key::bigint)
), typed as (
    select
        s.integration_id,
        (p ->> 'fullDatabaseId')::bigint as id,
        s.repository_id,
        (p ->> 'number')::integer as number,
        coalesce(p ->> 'title', '') as title,
        p ->> 'url' as url,
        lower(p ->> 'state') as state,
        p -> 'author' ->> 'login' as author_login,
        coalesce(p -> 'author' ->> '__typename' = 'Bot' or p -> 'author' ->> 'login' like '%[bot]', false) as author_is_bot,
        coalesce((p ->> 'isDraft')::boolean, false) as is_draft,
        coalesce(p ->> 'baseRefName', '') as base_branch,
        coalesce(p ->> 'headRefName', '') as head_branch,
        (p ->> 'createdAt')::timestamptz as created_at,
        (p ->> 'updatedAt')::timestamptz as updated_at,
        open.ready_at,
        commits.first_authored_at,
        commits.first_committed_at,
        others.first_review_at,
        reviews.approved_at,
        open.merged_at,
        (p ->> 'closedAt')::timestamptz as closed_at,
        p -> 'mergeCommit' ->> 'oid' as merge_commit_sha,
        coalesce((p ->> 'additions')::integer, 0) as additions,
        coalesce((p ->> 'deletions')::integer, 0) as deletions,
        coalesce((p ->> 'changedFiles')::integer, 0) as changed_files,
        coalesce(commits.n, 0) as commit_count,
        coalesce(reviews.n, 0) as review_count,
        coalesce((p -> 'comments' ->> 'totalCount')::integer, 0) as comment_count,
        coalesce(array(select jsonb_array_elements_text(p -> 'labels') order by 1), '{}') as labels,
        coalesce(
            substring(p ->> 'body' from '(?i)\mreverts\s+(?:[[:alnum:]_.-]+/[[:alnum:]_.-]+)?#(\d+)'),
            substring(p ->> 'title' from '(?i)^revert\M.*#(\d+)'),
            substring(p ->> 'headRefName' from '^revert-(\d+)(?:-|$)'))::integer as reverts_number,
        substring(p ->> 'body' from '(?n)^\s*This reverts commit ([0-9a-f]{40})\M') as reverts_sha,
        coalesce(array(
            select (i ->> 'number')::integer from jsonb_array_elements(p -> 'closingIssues') i order by 1), '{}')
            as closing_issue_numbers,
        s.deleted_at
    from source s
    cross join lateral (select (p ->> 'mergedAt')::timestamptz as merged_at) merge
    cross join lateral (
        select merge.merged_at, coalesce(
            (select max((e ->> 'createdAt')::timestamptz) from jsonb_array_elements(p -> 'timelineItems') e
             where e ->> '__typename' = 'ReadyForReviewEvent'
               and (merge.merged_at is null or (e ->> 'createdAt')::timestamptz <= merge.merged_at)),
            case when not coalesce((p ->> 'isDraft')::boolean, false)
                then coalesce((p ->> 'publishedAt')::timestamptz, (p ->> 'createdAt')::timestamptz) end) as ready_at
    ) open
    left join lateral (
        select min((c ->> 'authoredDate')::timestamptz) as first_authored_at,
               min((c ->> 'committedDate')::timestamptz) as first_committed_at,
               count(*) as n
        from jsonb_array_elements(p -> 'commits') c
    ) commits on true
    left join lateral (
        select min((v ->> 'submittedAt')::timestamptz) filter (where v ->> 'state' = 'APPROVED') as approved_at,
               count(*) as n
        from jsonb_array_elements(p -> 'reviews') v
        where v ->> 'submittedAt' is not null
    ) reviews on true
    left join lateral (
        select coalesce(min(o.at) filter (where o.at >= open.ready_at and (merge.merged_at is null or o.at <= merge.merged_at)),
                        min(o.at)) as first_review_at
        from (
            select (v ->> 'submittedAt')::timestamptz as at, v -> 'author' as author from jsonb_array_elements(p -> 'reviews') v
            union all
            select (c ->> 'createdAt')::timestamptz, c -> 'author' from jsonb_array_elements(p -> 'firstComments') c
        ) o
        where o.author ->> 'login' is distinct from p -> 'author' ->> 'login'
          and coalesce(o.author ->> '__typename', '') <> 'Bot' and coalesce(o.author ->> 'login', '') not like '%[bot]'
    ) others on true
)
insert into core.github_pull_requests as t
    (client_id, integration_id, id, repository_id, number, title, url, state, author_login, author_is_bot, is_draft,
     base_branch, head_branch, created_at, updated_at, ready_at, first_authored_at, first_committed_at, first_review_at,
     approved_at, merged_at, closed_at, merge_commit_sha, additions, deletions, changed_files, commit_count,
     review_count, comment_count, labels, reverts_number, reverts_sha, closing_issue_numbers, deleted_at)
select core.etl_client_id(), typed.* from typed
on conflict (client_id, integration_id, id) do update set
    repository_id = excluded.repository_id, number = excluded.number, title = excluded.title, url = excluded.url,
    state = excluded.state, author_login = excluded.author_login, author_is_bot = excluded.author_is_bot,
    is_draft = excluded.is_draft, base_branch = excluded.base_branch, head_branch = excluded.head_branch,
    created_at = excluded.created_at, updated_at = excluded.updated_at, ready_at = excluded.ready_at,
    first_authored_at = excluded.first_authored_at, first_committed_at = excluded.first_committed_at,
    first_review_at = excluded.first_review_at, approved_at = excluded.approved_at, merged_at = excluded.merged_at,
    closed_at = excluded.closed_at, merge_commit_sha = excluded.merge_commit_sha, additions = excluded.additions,
    deletions = excluded.deletions, changed_files = excluded.changed_files, commit_count = excluded.commit_count,
    review_count = excluded.review_count, comment_count = excluded.comment_count, labels = excluded.labels,
    reverts_number = excluded.reverts_number, reverts_sha = excluded.reverts_sha,
    closing_issue_numbers = excluded.closing_issue_numbers, deleted_at = excluded.deleted_at
where t is distinct from excluded;
