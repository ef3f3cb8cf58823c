-- Statements
-- core.jira_issue_links: the links of each issue loaded since the last run, as seen from it; those that were removed
-- upstream go here.
with source as materialized (
    select r.integration_id, (r.payload ->> 'id')::bigint as issue_id,
           coalesce(nullif(r.payload -> 'fields' -> 'issuelinks', 'null'), '[]') as items
    from raw.jira_issues r
    join core.jira_issues j
      on (j.client_id, j.integration_id, j.id) = (r.client_id, r.integration_id, (r.payload ->> 'id')::bigint)
    where r.client_id = (select core.etl_client_id())
      and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
), wanted as (
    select distinct on (s.integration_id, s.issue_id, (l ->> 'id')::bigint)
        s.integration_id, s.issue_id,
        (l ->> 'id')::bigint as id,
        coalesce(l -> 'type' ->> 'name', '') as link_type,
        case when l -> 'outwardIssue' ->> 'key' is not null then 'outward' else 'inward' end as direction,
        coalesce(l -> 'outwardIssue' ->> 'key', l -> 'inwardIssue' ->> 'key') as other_key
    from source s, jsonb_array_elements(s.items) l
    where l ->> 'id' ~ '^[0-9]+$'
      and coalesce(l -> 'outwardIssue' ->> 'key', l -> 'inwardIssue' ->> 'key') is not null
    order by 1, 2, 3
), removed as (
    delete from core.jira_issue_links t
    using source s
    where t.client_id = (select core.etl_client_id())
      and (t.integration_id, t.issue_id) = (s.integration_id, s.issue_id)
      and not exists (
          select from wanted w
          where (w.integration_id, w.issue_id, w.id) = (t.integration_id, t.issue_id, t.id))
)
insert into core.jira_issue_links as t (client_id, integration_id, issue_id, id, link_type, direction, other_key)
select core.etl_client_id(), w.* from wanted w
on conflict (client_id, integration_id, issue_id, id) do update set
    link_type = excluded.link_type, direction = excluded.direction, other_key = excluded.other_key
where t is distinct from excluded;
