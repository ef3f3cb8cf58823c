-- Table core.change_references: the issues that a change names in its title or branch, or that its pull request closes.
-- Grain: one row per change and issue.
-- Per: issue_key, change_id of select id as change_id, unnest(issue_keys) as issue_key, true as is_named from core.changes
select (v.c).id as change_id, named.issue_key, v.is_named
from changes_changed m
cross join lateral (values (m.before, false), (m.after, true)) v (c, is_named)
cross join unnest((v.c).issue_keys) as named (issue_key)
where (m.before).issue_keys is distinct from (m.after).issue_keys
;
select change_id, issue_key from touched where is_named
