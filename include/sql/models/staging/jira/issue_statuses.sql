-- Table core.issue_statuses: the statuses of the client's Jira integrations and their categories, from raw.jira_statuses.
-- Grain: one row per status. All of them are read in every run: they are few.
select
    r.integration_id,
    r.payload ->> 'id' as id,
    r.payload ->> 'name' as name,
    case when r.payload -> 'statusCategory' ->> 'key' in ('new', 'indeterminate', 'done')
        then r.payload -> 'statusCategory' ->> 'key' else 'undefined' end as category
from raw.jira_statuses r
