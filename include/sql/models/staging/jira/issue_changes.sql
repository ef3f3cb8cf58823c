-- Table core.issue_changes: the changes of issues loaded since the last run, from raw.jira_changelogs.
-- Grain: one row per changed field of a history entry.
-- Late: changes that were loaded before their issue, which had been rejected and was loaded only now.
with late as materialized (
    select distinct r.integration_id, r.scope_key, r.record_id
    from raw.jira_issues r
    join raw.rejects x
      on (x.integration_id, x.record_id) = (r.integration_id, r.record_id)
     and x.entity = 'jira_issues' and x.replayed_at is not null
    where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
), loaded as (
    select r.integration_id, r.payload
    from raw.jira_changelogs r
    where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
    union all
    select r.integration_id, r.payload
    from late
    join raw.jira_changelogs r
      on (r.integration_id, r.scope_key, r.payload ->> 'issueId') = (late.integration_id, late.scope_key, late.record_id)
    where r.loaded_xid < current_setting('pulse.normalise_from')::xid8
)
select
    r.integration_id,
    j.id as issue_id,
    (r.payload ->> 'id')::bigint as history_id,
    (item.ordinality - 1)::integer as item_index,
    coalesce(item.value ->> 'field', '') as field,
    item.value ->> 'fieldId' as field_id,
    item.value ->> 'from' as from_id,
    item.value ->> 'fromString' as from_text,
    item.value ->> 'to' as to_id,
    item.value ->> 'toString' as to_text,
    coalesce(r.payload -> 'author' ->> 'displayName', r.payload -> 'author' ->> 'accountId',
             r.payload -> 'author' ->> 'name') as author,
    -- A date and time; or seconds, or milliseconds, since 1970.
    case when r.payload ->> 'created' ~ '^[0-9]+$'
        then to_timestamp((r.payload ->> 'created')::numeric
             / case when length(r.payload ->> 'created') > 11 then 1000 else 1 end)
        else (r.payload ->> 'created')::timestamptz end as created_at
from loaded r
join core.issues j on (j.integration_id, j.id) = (r.integration_id, (r.payload ->> 'issueId')::bigint)
cross join jsonb_array_elements(r.payload -> 'items') with ordinality item
