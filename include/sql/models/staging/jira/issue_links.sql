-- Table core.issue_links: the links of the issues loaded since the last run, as seen from these issues.
-- Grain: one row per link of an issue.
-- Per: integration_id, issue_id
select j.integration_id, j.id as issue_id, nullif(r.payload -> 'fields' -> 'issuelinks', 'null') as links
from raw.jira_issues r
join core.issues j on (j.integration_id, j.id) = (r.integration_id, (r.payload ->> 'id')::bigint)
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
;
select distinct on (t.integration_id, t.issue_id, (l ->> 'id')::bigint)
    t.integration_id,
    t.issue_id,
    (l ->> 'id')::bigint as id,
    coalesce(l -> 'type' ->> 'name', '') as link_type,
    case when l -> 'outwardIssue' ->> 'key' is not null then 'outward' else 'inward' end as direction,
    coalesce(l -> 'outwardIssue' ->> 'key', l -> 'inwardIssue' ->> 'key') as other_key
from touched t
cross join jsonb_array_elements(t.links) l
where l ->> 'id' ~ '^[0-9]+$'
  and coalesce(l -> 'outwardIssue' ->> 'key', l -> 'inwardIssue' ->> 'key') is not null
order by t.integration_id, t.issue_id, (l ->> 'id')::bigint
