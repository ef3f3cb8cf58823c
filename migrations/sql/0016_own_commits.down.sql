drop trigger dora_insert on core.github_pull_request_commits;
drop trigger dora_update on core.github_pull_request_commits;
drop trigger dora_delete on core.github_pull_request_commits;
alter table core.dora_queue no force row level security;
delete from core.dora_queue where fact = 'pull_request_commits';
alter table core.dora_queue force row level security;
alter table core.github_pull_requests drop column reverts_sha;
