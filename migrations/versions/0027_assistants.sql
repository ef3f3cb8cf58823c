-- Changes made with AI: what commits, pull requests and their authors tell of it.

alter table core.commits add column assisted_by text[] not null default '{}';
comment on column core.commits.assisted_by is
    'The AI assistants of which its message or its author bears a sign, sorted. Empty: no sign, which proves nothing.';
alter table core.pull_requests add column assisted_by text[] not null default '{}';
comment on column core.pull_requests.assisted_by is
    'The AI assistants of which its text or one of its commits bears a sign, sorted. Empty: no sign, which proves nothing.';

alter table core.changes
    add column assisted_by text[] not null default '{}',
    add column ai text check (ai in ('agent', 'assistant'));
comment on column core.changes.assisted_by is
    'The AI assistants of which the pull request or the commit that it was merged as bears a sign, sorted.';
comment on column core.changes.ai is
    'agent: opened by a coding agent (dora.agents); assistant: bears the sign of one; NULL: no sign, which proves nothing.';

-- Messages were not read before: every pull request is read once more.
delete from core.etl_checkpoints c
using core.integrations i
where i.id = c.integration_id and i.integration_type = 'github'
  and (c.stream = 'probe' or c.stream like 'pull_requests%');
