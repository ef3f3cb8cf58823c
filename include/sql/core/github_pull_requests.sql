-- One row per pull request of GitHub.
select
    client_id, integration_id, id, repository_id, number, title, url, state, author_login, author_is_bot, is_draft,
    base_branch, head_branch, created_at, updated_at, ready_at, first_authored_at, first_committed_at,
    first_review_at, approved_at, merged_at, closed_at, merge_commit_sha, additions, deletions, changed_files,
    commit_count, review_count, comment_count, labels, reverts_number, closing_issue_numbers, deleted_at, reverts_sha,
    reverts_repository, commenters, commented_at, assisted_by
from core.pull_requests t
where exists (
    select from core.integrations i
    where (i.client_id, i.id) = (t.client_id, t.integration_id) and i.integration_type = 'github');
