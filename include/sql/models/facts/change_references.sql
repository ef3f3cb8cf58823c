-- Table core.change_references: the issues that a change names in its title or branch, or that its pull request closes.
-- Grain: one row per change and issue.
-- Per: change_id of select id as change_id from core.changes
select coalesce((after).id, (before).id) as change_id
from changes_changed
where (before).issue_keys is distinct from (after).issue_keys
;
select c.id as change_id, named.issue_key
from touched q
join core.changes c on c.id = q.change_id
cross join lateral unnest(c.issue_keys) as named (issue_key)
