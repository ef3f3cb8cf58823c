-- A pull request that git revert made names the commit that it undoes, not a pull request.
alter table core.github_pull_requests add column reverts_sha text;
comment on column core.github_pull_requests.reverts_sha is 'The commit that its text says it reverts (git revert); NULL: none.';
create index github_pull_requests_reverts_sha on core.github_pull_requests
    (client_id, integration_id, reverts_sha, repository_id) where reverts_sha is not null;

-- What is stored has the text already: the next normalise reads all of it, and writes what differs.
alter table core.transform_watermarks no force row level security;
delete from core.transform_watermarks where transform = 'normalise';
alter table core.transform_watermarks force row level security;

-- A pull request's own commits say which pushes are none, what an incident names and what a revert undoes: they are queued too.
create trigger dora_insert after insert on core.github_pull_request_commits referencing new table as new_rows
    for each statement execute function core.enqueue_dora('pull_request_commits', 'pull_request_id');
create trigger dora_update after update on core.github_pull_request_commits referencing old table as old_rows new table as new_rows
    for each statement execute function core.enqueue_dora('pull_request_commits', 'pull_request_id');
create trigger dora_delete after delete on core.github_pull_request_commits referencing old table as old_rows
    for each statement execute function core.enqueue_dora('pull_request_commits', 'pull_request_id');
