-- Statements
-- The source records to work on (temporary, one table a kind): all of them in a full run (of pull requests none: there
-- 20_changes.sql reads all at once); else what was written since the last run, and what depends on it: the pull requests and
-- deployments of a commit whose position has moved, the reverts of a pull request (that name its number, or a commit; and
-- those that were taken for such), and all of a service that has changed.
create temporary table touched_pull_requests on commit drop as
with taken as (
    select q.integration_id, q.key::bigint as id from dora_taken q where q.fact = 'pull_request'
    union
    select integration_id, pull_request_id from taken_own_commits
    union
    select p.integration_id, p.id
    from taken_commits q
    join core.github_pull_requests p
      on (p.client_id, p.integration_id, p.repository_id, p.merge_commit_sha)
       = ((select core.etl_client_id()), q.integration_id, q.repository_id, q.sha)
)
select integration_id, id from taken where not (select is_full from dora_settings)
union
select r.integration_id, r.id
from taken q
join core.github_pull_requests p on (p.client_id, p.integration_id, p.id) = ((select core.etl_client_id()), q.integration_id, q.id)
join core.github_pull_requests r
  on (r.client_id, r.integration_id, r.repository_id, r.reverts_number)
   = (p.client_id, p.integration_id, p.repository_id, p.number)
union
select r.integration_id, r.id
from taken q
cross join lateral (
    select p.repository_id, p.merge_commit_sha as sha from core.github_pull_requests p
    where (p.client_id, p.integration_id, p.id) = ((select core.etl_client_id()), q.integration_id, q.id)
    union
    select p.repository_id, k.sha
    from core.github_pull_requests p
    join core.github_pull_request_commits k
      on (k.client_id, k.integration_id, k.pull_request_id) = (p.client_id, p.integration_id, p.id)
    where (p.client_id, p.integration_id, p.id) = ((select core.etl_client_id()), q.integration_id, q.id)
    offset 0
) named
join core.github_pull_requests r
  on (r.client_id, r.integration_id, r.reverts_sha, r.repository_id)
   = ((select core.etl_client_id()), q.integration_id, named.sha, named.repository_id)
union
select c.integration_id, c.pull_request_id
from taken q
join core.github_pull_requests p on (p.client_id, p.integration_id, p.id) = ((select core.etl_client_id()), q.integration_id, q.id)
join live_services v on (v.integration_id, v.repository_id) = (p.integration_id, p.repository_id)
join core.changes c
  on (c.client_id, c.reverts_change_id)
   = ((select core.etl_client_id()), 'gh-pr:' || q.integration_id || ':' || q.id || v.suffix)
where c.pull_request_id is not null
union
select p.integration_id, p.id
from touched_services v
join core.github_pull_requests p
  on (p.client_id, p.integration_id, p.repository_id) = ((select core.etl_client_id()), v.integration_id, v.repository_id)
where not (select is_full from dora_settings);
analyze touched_pull_requests;

-- The commits whose deployments have moved: those written, and what a written merge has brought (all that merges have brought
-- where a written commit has no place in the history).
create temporary table moved_commits on commit drop as
with placed as (
    select distinct q.integration_id, q.repository_id, m.position
    from taken_commits q
    cross join lateral (
        select max(m.position) as position from core.github_commits m
        where (m.client_id, m.integration_id, m.repository_id, m.sha)
            = ((select core.etl_client_id()), q.integration_id, q.repository_id, q.sha)
    ) m
)
select integration_id, repository_id, sha from taken_commits
union
select q.integration_id, q.repository_id, b.sha
from placed q
cross join lateral (
    select g.sha from core.github_commits g
    where (g.client_id, g.integration_id, g.repository_id, g.position)
        = ((select core.etl_client_id()), q.integration_id, q.repository_id, q.position)
      and not g.is_first_parent
    union all
    select g.sha from core.github_commits g
    where q.position is null and (g.client_id, g.integration_id, g.repository_id)
        = ((select core.etl_client_id()), q.integration_id, q.repository_id)
      and g.position is not null and not g.is_first_parent
    offset 0
) b;
analyze moved_commits;

create temporary table touched_deployments on commit drop as
with taken as (
    select q.fact, q.integration_id, q.key from dora_taken q where q.fact in ('deployment', 'workflow_run', 'release')
    union
    select x.fact, x.integration_id, x.key
    from moved_commits q
    cross join lateral (
        select 'deployment' as fact, d.integration_id, d.id::text as key from core.github_deployments d
        where (d.client_id, d.integration_id, d.repository_id, d.sha)
            = ((select core.etl_client_id()), q.integration_id, q.repository_id, q.sha)
        union all
        select 'workflow_run', w.integration_id, w.id || ':' || w.run_attempt from core.github_workflow_runs w
        where (w.client_id, w.integration_id, w.repository_id, w.head_sha)
            = ((select core.etl_client_id()), q.integration_id, q.repository_id, q.sha)
        union all
        select 'release', l.integration_id, l.id::text from core.github_releases l
        where (l.client_id, l.integration_id, l.repository_id, l.sha)
            = ((select core.etl_client_id()), q.integration_id, q.repository_id, q.sha)
    ) x
    union
    select x.fact, x.integration_id, x.key
    from touched_services v
    cross join lateral (
        select 'deployment' as fact, d.integration_id, d.id::text as key from core.github_deployments d
        where (d.client_id, d.integration_id, d.repository_id) = ((select core.etl_client_id()), v.integration_id, v.repository_id)
        union all
        select 'workflow_run', w.integration_id, w.id || ':' || w.run_attempt from core.github_workflow_runs w
        where (w.client_id, w.integration_id, w.repository_id) = ((select core.etl_client_id()), v.integration_id, v.repository_id)
        union all
        select 'release', l.integration_id, l.id::text from core.github_releases l
        where (l.client_id, l.integration_id, l.repository_id) = ((select core.etl_client_id()), v.integration_id, v.repository_id)
    ) x
    where not (select is_full from dora_settings)
)
select fact, integration_id, split_part(key, ':', 1)::bigint as id, nullif(split_part(key, ':', 2), '')::integer as attempt
from taken where not (select is_full from dora_settings)
union all
select 'deployment', integration_id, id, null from core.github_deployments
where (select is_full and deployment_source = 'deployments' from dora_settings) and client_id = (select core.etl_client_id())
union all
select 'workflow_run', integration_id, id, run_attempt from core.github_workflow_runs
where (select is_full and deployment_source = 'workflow_runs' from dora_settings) and client_id = (select core.etl_client_id())
union all
select 'release', integration_id, id, null from core.github_releases
where (select is_full and deployment_source = 'releases' from dora_settings) and client_id = (select core.etl_client_id());
create index on touched_deployments (fact, integration_id, id);
analyze touched_deployments;

-- Custom records name their service, and so do incidents: all are looked at again when a service comes, goes, is renamed
-- or has another production branch.
create temporary table touched_custom on commit drop as
with everything as (
    select is_full or exists (select from touched_services where is_looked_up_anew) as wanted from dora_settings
)
select fact, integration_id, key as id from dora_taken
where fact in ('custom_deployment', 'custom_change', 'custom_incident') and not (select wanted from everything)
union all
select 'custom_deployment', integration_id, id from core.custom_deployments
where (select wanted from everything) and client_id = (select core.etl_client_id())
union all
select 'custom_change', integration_id, id from core.custom_changes
where (select wanted from everything) and client_id = (select core.etl_client_id())
union all
select 'custom_incident', integration_id, id from core.custom_incidents
where (select wanted from everything) and client_id = (select core.etl_client_id());
-- A custom change's commit may have got its position, or lost it.
insert into touched_custom
select 'custom_change', x.integration_id, x.id
from taken_commits q
join core.custom_changes x on (x.client_id, x.merge_sha) = ((select core.etl_client_id()), q.sha);
insert into touched_custom
select 'custom_deployment', x.integration_id, x.id
from moved_commits q
join core.custom_deployments x on (x.client_id, x.sha) = ((select core.etl_client_id()), q.sha);
create index on touched_custom (fact, integration_id, id);
analyze touched_custom;

create temporary table touched_jira_issues on commit drop as
select distinct integration_id, key::bigint as id from dora_taken where fact = 'jira_issue'
union
select i.integration_id, split_part(i.id, ':', 3)::bigint from core.incidents i
where (select exists (select from touched_services where is_looked_up_anew)) and not (select is_full from dora_settings)
  and i.client_id = (select core.etl_client_id()) and i.source = 'jira'
union all
select integration_id, id from core.jira_issues
where (select is_full from dora_settings) and client_id = (select core.etl_client_id());
create index on touched_jira_issues (integration_id, id);
analyze touched_jira_issues;

create temporary table touched_github_issues on commit drop as
select integration_id, key::bigint as id from dora_taken where fact = 'github_issue'
union
select i.integration_id, split_part(i.id, ':', 3)::bigint from core.incidents i
where (select exists (select from touched_services where is_looked_up_anew)) and not (select is_full from dora_settings)
  and i.client_id = (select core.etl_client_id()) and i.source = 'github'
union all
select integration_id, id from core.github_issues
where (select is_full from dora_settings) and client_id = (select core.etl_client_id());
analyze touched_github_issues;
