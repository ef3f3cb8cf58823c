-- Temporary table touched_issues: the issues that an increment reads again.
-- Grain: one row per issue (of a tracker, of a repository, or a reported incident); all of them in a full run.
-- incident_id: the id of its incident. is_item: it is a tracker's, so it is a work item, with the same id.
-- Those that were written; and when a service comes, goes or is renamed, those that are incidents or are reported as such.
-- Index: (integration_id, id)
with written as (
    select q.integration_id, ltrim(q.key, '#')::bigint as id, starts_with(q.key, '#') as is_in_repository,
           null as external_id
    from queue q
    where q.fact = 'issue' and q.external_id is null
    union
    select q.integration_id, i.id, false, q.external_id
    from queue q
    left join core.issues i on (i.integration_id, i.external_id) = (q.integration_id, q.external_id)
    where q.fact = 'issue' and q.external_id is not null
), touched as (
    select * from written
    union
    select i.integration_id, i.id, i.repository_id is not null, i.external_id
    from core.incidents x
    join core.issues i on (i.integration_id, i.id) = (x.integration_id, substring(x.id from ':([0-9]{1,18})$')::bigint)
    where exists (select from touched_services where is_renamed)
    union
    select integration_id, id, false, external_id from core.issues
    where external_id is not null and exists (select from touched_services where is_renamed)
    union
    select integration_id, id, repository_id is not null, external_id from core.issues where (select is_full from settings)
)
select t.integration_id, t.id, not t.is_in_repository and t.external_id is null as is_item,
       s.prefix || case when t.is_in_repository then '-issue:' else ':' end || t.integration_id || ':'
           || coalesce(t.external_id, t.id::text) as incident_id
from touched t
join sources s on s.integration_id = t.integration_id
