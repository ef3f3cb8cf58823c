-- Each index of what the dora stage writes costs once at the primary and once more at the replica.

-- One run gives out thousands of numbers: not each is written down.
alter sequence core.dora_metrics_id_seq cache 1000;

-- Which metrics are published for rolling windows of the past (docs/metrics.md, Grains), said once.
alter table core.metric_catalogue add column has_past_windows boolean not null default false;
update core.metric_catalogue set has_past_windows = true
where family in ('deployments', 'recovery') or metric_type = 'lead_time_for_changes';
comment on column core.metric_catalogue.has_past_windows is
    'Published for the client''s rolling windows that end on past Sundays too, not for the latest alone.';

-- The issues that a change names stand in its row too: so its references are found by their issue, and need one index only.
alter table core.changes add column issue_keys text[] not null default '{}';
comment on column core.changes.issue_keys is 'The issues that title, branch and pull request name, in order.';
alter table core.change_references no force row level security;
alter table core.changes no force row level security;
update core.changes c set issue_keys = r.issue_keys
from (
    select client_id, change_id, array_agg(issue_key order by issue_key) as issue_keys
    from core.change_references group by client_id, change_id
) r
where (c.client_id, c.id) = (r.client_id, r.change_id);
alter table core.changes force row level security;
alter table core.change_references force row level security;
drop index core.change_references_issue;
alter table core.change_references
    drop constraint change_references_pkey,
    add primary key (client_id, issue_key, change_id);

-- A pull request's change is found by its pull request's number or commit, which have their index there.
drop index core.changes_url, core.changes_sha;
create index changes_custom_url on core.changes (client_id, url) where pull_request_id is null;
create index changes_custom_sha on core.changes (client_id, merge_commit_sha) where pull_request_id is null;

-- Few changes are one: of a client's whole history they are found without reading the others.
create index changes_flagged on core.changes (client_id, id) where is_hotfix or is_revert;
