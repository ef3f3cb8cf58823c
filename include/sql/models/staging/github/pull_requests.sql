-- Table core.pull_requests: the pull requests loaded since the last run, from raw.github_pull_requests.
-- Grain: one row per pull request.
--
-- ready_at: when it last left draft before the merge; if it never did, when it was published.
-- first_review_at: the first review or comment by another person while it was ready and not merged; if there is none, the
-- first one of all.
-- assisted_by: the AI assistants of which its text or a commit of it bears a sign (sources/assistants.csv).
-- reverts_number, reverts_sha: the pull request or commit that it reverts, in the words of GitHub's button or of git revert;
-- reverts_repository: where the words name another one. (An old name of this one does, too; but then the branch is GitHub's.)
with loaded as materialized (
    select r.integration_id, g.id as repository_id, g.full_name, r.payload as p, r.deleted_at
    from raw.github_pull_requests r
    join core.repositories g on (g.integration_id, g.id) = (r.integration_id, r.scope_key::bigint)
    where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
)
select
    l.integration_id,
    (p ->> 'fullDatabaseId')::bigint as id,
    l.repository_id,
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
    ready.ready_at,
    commits.first_authored_at,
    commits.first_committed_at,
    answers.first_review_at,
    reviews.approved_at,
    merge.merged_at,
    (p ->> 'closedAt')::timestamptz as closed_at,
    p -> 'mergeCommit' ->> 'oid' as merge_commit_sha,
    coalesce((p ->> 'additions')::integer, 0) as additions,
    coalesce((p ->> 'deletions')::integer, 0) as deletions,
    coalesce((p ->> 'changedFiles')::integer, 0) as changed_files,
    commits.n::integer as commit_count,
    reviews.n::integer as review_count,
    coalesce((p -> 'comments' ->> 'totalCount')::integer, 0) as comment_count,
    array(select jsonb_array_elements_text(p -> 'labels') order by 1) as labels,
    reverts.named[2]::integer as reverts_number,
    case when lower(reverts.named[1]) <> lower(l.full_name) and not starts_with(p ->> 'headRefName', 'revert-' || reverts.named[2])
        then lower(reverts.named[1]) end as reverts_repository,
    substring(p ->> 'body' from '(?n)^\s*This reverts commit ([0-9a-f]{40})\M') as reverts_sha,
    array(select (i ->> 'number')::integer from jsonb_array_elements(p -> 'closingIssues') i order by 1)
        as closing_issue_numbers,
    comments.commenters,
    comments.commented_at,
    array(
        select jsonb_array_elements_text(coalesce(p -> 'assistedBy', '[]'))
        union
        select jsonb_array_elements_text(coalesce(c -> 'assistedBy', '[]')) from jsonb_array_elements(p -> 'commits') c
        order by 1) as assisted_by,
    l.deleted_at
from loaded l
cross join lateral (select (p ->> 'mergedAt')::timestamptz as merged_at) merge
cross join lateral (
    select coalesce(
        (select max((e ->> 'createdAt')::timestamptz)
         from jsonb_array_elements(p -> 'timelineItems') e
         where e ->> '__typename' = 'ReadyForReviewEvent'
           and (merge.merged_at is null or (e ->> 'createdAt')::timestamptz <= merge.merged_at)),
        case when not coalesce((p ->> 'isDraft')::boolean, false)
            then coalesce((p ->> 'publishedAt')::timestamptz, (p ->> 'createdAt')::timestamptz) end) as ready_at
) ready
cross join lateral (
    select coalesce(
        regexp_match(p ->> 'body', '(?i)\mreverts\s+([[:alnum:]_.-]+/[[:alnum:]_.-]+)?#(\d{1,9})(?!\d)'),
        regexp_match(
            substring(p ->> 'title' from '(?i)^revert\M.*#\d{1,9}(?!\d)'),
            '([[:alnum:]_.-]+/[[:alnum:]_.-]+)?#(\d{1,9})$'),
        array[null, substring(p ->> 'headRefName' from '^revert-(\d{1,9})(?:-|$)')]) as named
) reverts
cross join lateral (
    select min((c ->> 'authoredDate')::timestamptz) as first_authored_at,
           min((c ->> 'committedDate')::timestamptz) as first_committed_at,
           count(*) as n
    from jsonb_array_elements(p -> 'commits') c
) commits
cross join lateral (
    select min((v ->> 'submittedAt')::timestamptz) filter (where v ->> 'state' = 'APPROVED') as approved_at,
           count(*) as n
    from jsonb_array_elements(p -> 'reviews') v
    where v ->> 'submittedAt' is not null
) reviews
cross join lateral (
    select coalesce(
        min(o.at) filter (where o.at >= ready.ready_at and (merge.merged_at is null or o.at <= merge.merged_at)),
        min(o.at)) as first_review_at
    from (
        select (v ->> 'submittedAt')::timestamptz as at, v -> 'author' as author
        from jsonb_array_elements(p -> 'reviews') v
        union all
        select (c ->> 'createdAt')::timestamptz, c -> 'author'
        from jsonb_array_elements(p -> 'firstComments') c
    ) o
    where o.author ->> 'login' is distinct from p -> 'author' ->> 'login'
      and coalesce(o.author ->> '__typename', '') <> 'Bot'
      and coalesce(o.author ->> 'login', '') not like '%[bot]'
) answers
cross join lateral (
    select coalesce(array_agg(c -> 'author' ->> 'login' order by place), '{}') as commenters,
           coalesce(array_agg((c ->> 'createdAt')::timestamptz order by place), '{}') as commented_at
    from jsonb_array_elements(p -> 'firstComments') with ordinality one (c, place)
    where c -> 'author' ->> 'login' is distinct from p -> 'author' ->> 'login'
      and coalesce(c -> 'author' ->> '__typename', '') <> 'Bot'
      and coalesce(c -> 'author' ->> 'login', '') not like '%[bot]'
) comments
