drop index core.changes_flagged, core.changes_custom_url, core.changes_custom_sha;
create index changes_url on core.changes (client_id, url);
create index changes_sha on core.changes (client_id, merge_commit_sha text_pattern_ops);
alter table core.change_references
    drop constraint change_references_pkey,
    add primary key (client_id, change_id, issue_key);
create index change_references_issue on core.change_references (client_id, issue_key);
alter table core.changes drop column issue_keys;
alter table core.metric_catalogue drop column has_past_windows;
alter sequence core.dora_metrics_id_seq cache 1;
