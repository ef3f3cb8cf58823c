-- Statements
-- core.incident_deployments: the deployment that caused an incident, by the strongest method that finds one: explicit (the
-- incident's text names it, its commit, a change of it, or a commit of such), fix_reverts (the incident's fix undoes a change
-- that it brought), linked_issue (a linked issue's change came with it), fix_version (the service's latest before it, where a
-- deployment of that service is of the version that fixed it), time_window (the service's latest before it). An incident
-- whose cause nothing names has no row. For the incidents that changed, and those that a moved deployment, link or change may
-- concern.
create temporary table named_lengths on commit drop as  -- how many digits the incidents' texts give of a commit
select distinct length(reference) as digits from core.incident_references
where client_id = (select core.etl_client_id()) and kind = 'sha' and not (select is_full from dora_settings);
create temporary table changes_with_other_commits on commit drop as
select c.id
from taken_own_commits q
join core.github_pull_requests p
  on (p.client_id, p.integration_id, p.id) = ((select core.etl_client_id()), q.integration_id, q.pull_request_id)
join live_services v on (v.integration_id, v.repository_id) = (p.integration_id, p.repository_id)
join core.changes c
  on (c.client_id, c.id)
   = ((select core.etl_client_id()), 'gh-pr:' || q.integration_id || ':' || q.pull_request_id || v.suffix);
with changed as materialized (
    select d.*, d.finished_at + s.incident_window as window_until
    from changed_deployments d, dora_settings s where not s.is_full
)
insert into relink_incidents
select i.id
from changed d
join core.incidents i
  on (i.client_id, i.service_id) = ((select core.etl_client_id()), d.service_id)
 and i.created_at > d.finished_at and i.created_at <= d.window_until
union all
select i.id
from changed d
join core.incidents i
  on i.client_id = (select core.etl_client_id()) and i.created_at > d.finished_at and i.created_at <= d.window_until
join core.incident_references r on (r.client_id, r.incident_id, r.kind) = (i.client_id, i.id, 'fix_version')
union all
select r.incident_id
from changed d
join core.incident_references r
  on (r.client_id, r.kind, r.reference) = ((select core.etl_client_id()), 'fix_version', d.ref_name)
union all
select r.incident_id
from changed d
join core.incident_references r on (r.client_id, r.kind, r.reference) = ((select core.etl_client_id()), 'url', d.url)
union all
select r.incident_id
from changed d
cross join lateral (
    select left(d.sha, digits) as head from named_lengths where digits <= length(d.sha)
    union all
    select split_part(d.id, ':', 3)  -- its number
    offset 0
) short
join core.incident_references r on (r.client_id, r.kind, r.reference) = ((select core.etl_client_id()), 'sha', short.head);

-- What a change that has gone, or is another now, named its deployment for; or one that has other commits.
insert into reflag_deployments
select l.deployment_id
from changes_with_other_commits o
join core.deployment_changes l on (l.client_id, l.change_id) = ((select core.etl_client_id()), o.id);
insert into relink_incidents
select l.incident_id
from (select distinct deployment_id from reflag_deployments where not (select is_full from dora_settings)) f
join core.incident_deployments l on (l.client_id, l.deployment_id) = ((select core.etl_client_id()), f.deployment_id);

create temporary table moved_changes on commit drop as
select change_id from changed_links where not (select is_full from dora_settings)
union
select id from changed_changes where not (select is_full from dora_settings)
union
select id from changes_with_other_commits
union
select l.change_id
from changed_deployments d
join core.deployment_changes l on (l.client_id, l.deployment_id) = ((select core.etl_client_id()), d.id)
where not (select is_full from dora_settings);
analyze moved_changes;
insert into relink_incidents
-- named by a change that undid it, or linked to an issue that it names
select i.incident_id
from moved_changes m
join core.changes c on (c.client_id, c.reverts_change_id) = ((select core.etl_client_id()), m.change_id)
cross join lateral unnest(c.issue_keys) as named (issue_key)
join core.incident_references i
  on (i.client_id, i.kind, i.reference) = ((select core.etl_client_id()), 'key', named.issue_key)
union all
select i.incident_id
from moved_changes m
join core.changes c on (c.client_id, c.id) = ((select core.etl_client_id()), m.change_id)
cross join lateral unnest(c.issue_keys) as named (issue_key)
join core.incident_references i
  on i.client_id = (select core.etl_client_id()) and i.kind in ('key', 'linked') and i.reference = named.issue_key
union all
select i.incident_id
from moved_changes m
join core.changes c on (c.client_id, c.id) = ((select core.etl_client_id()), m.change_id)
join core.incident_references i on (i.client_id, i.kind, i.reference) = (c.client_id, 'url', c.url)
union all
select i.incident_id
from moved_changes m
join core.changes c on (c.client_id, c.id) = ((select core.etl_client_id()), m.change_id)
cross join lateral (
    select c.merge_commit_sha as sha
    union all
    select k.sha from core.github_pull_request_commits k
    where (k.client_id, k.integration_id, k.pull_request_id) = (c.client_id, c.integration_id, c.pull_request_id)
) commits
cross join lateral (
    select left(commits.sha, digits) as head from named_lengths where digits <= length(commits.sha) offset 0
) short
join core.incident_references i on (i.client_id, i.kind, i.reference) = (c.client_id, 'sha', short.head);

create temporary table relinked_incidents on commit drop as
select i.id, i.created_at, i.created_at - s.incident_window as window_from, i.service_id, i.resolved_at
from (select distinct incident_id from relink_incidents) q
join core.incidents i on (i.client_id, i.id) = ((select core.etl_client_id()), q.incident_id)
cross join dora_settings s;
create unique index on relinked_incidents (id);
analyze relinked_incidents (id);

create temporary table wanted_causes on commit drop as
with named as (
    -- Computed here: in a condition, what is not leak-proof would keep the policies from using the indexes.
    select k.id, k.created_at, k.window_from, k.service_id, r.kind, r.reference, r.reference || 'g' as reference_end,
           substring(r.reference from '/([0-9]{1,9})$')::integer as number,
           case when r.kind = 'sha' then substring(r.reference from '^[0-9]{7,18}$') end as record_id
    from relinked_incidents k
    join core.incident_references r on (r.client_id, r.incident_id) = ((select core.etl_client_id()), k.id)
), pull_requests as (
    -- by their address, which ends with the number, or a commit: the merge's or one of their own (offset 0: one look-up a
    -- name, whatever the planner believes about tables that this run has filled)
    select n.id, n.created_at, p.integration_id, p.repository_id, p.pull_request_id
    from named n
    cross join (select distinct integration_id from live_services where repository_id is not null) g
    cross join lateral (
        select x.integration_id, x.repository_id, x.id as pull_request_id from core.github_pull_requests x
        where n.kind = 'url' and x.url = n.reference
          and (x.client_id, x.integration_id, x.number) = ((select core.etl_client_id()), g.integration_id, n.number)
        union all
        select x.integration_id, x.repository_id, x.id from core.github_pull_requests x
        where n.kind = 'sha' and (x.client_id, x.integration_id) = ((select core.etl_client_id()), g.integration_id)
          and x.merge_commit_sha >= n.reference and x.merge_commit_sha < n.reference_end
        union
        select x.integration_id, x.repository_id, x.id
        from core.github_pull_request_commits k
        join core.github_pull_requests x
          on (x.client_id, x.integration_id, x.id) = (k.client_id, k.integration_id, k.pull_request_id)
        where n.kind = 'sha' and (k.client_id, k.integration_id) = ((select core.etl_client_id()), g.integration_id)
          and k.sha >= n.reference and k.sha < n.reference_end
        offset 0
    ) p
), named_changes as materialized (
    select p.id, p.created_at, 'gh-pr:' || p.integration_id || ':' || p.pull_request_id || v.suffix as change_id
    from pull_requests p
    join live_services v on (v.integration_id, v.repository_id) = (p.integration_id, p.repository_id)
    union all
    -- a custom source's, or a push
    select n.id, n.created_at, c.id
    from named n
    cross join lateral (
        select x.id from core.changes x
        where n.kind = 'url' and x.client_id = (select core.etl_client_id()) and x.pull_request_id is null
          and x.url = n.reference
        union all
        select x.id from core.changes x
        where n.kind = 'sha' and x.client_id = (select core.etl_client_id()) and x.pull_request_id is null
          and x.merge_commit_sha >= n.reference and x.merge_commit_sha < n.reference_end
        offset 0
    ) c
), upstream_ids as (
    -- a deployment's, release's or run's number is its id upstream
    select n.id, n.created_at, d.id as deployment_id
    from named n
    cross join (select distinct integration_id from live_services where repository_id is not null) g
    cross join lateral (
        values ('gh-deployment:' || g.integration_id || ':' || n.record_id),
               ('gh-release:' || g.integration_id || ':' || n.record_id)
        union all
        select 'gh-run:' || w.integration_id || ':' || w.id || ':' || w.run_attempt from core.github_workflow_runs w
        where (w.client_id, w.integration_id, w.id) = ((select core.etl_client_id()), g.integration_id, n.record_id::bigint)
        offset 0
    ) d (id)
    where n.record_id is not null
), found_deployments as (
    select n.id, n.created_at, d.*
    from named n
    cross join lateral (
        select x.id as deployment_id, x.created_at as began_at, x.finished_at, x.environment_tier, x.result
        from core.deployments x
        where (x.client_id, x.url) = ((select core.etl_client_id()), n.reference)
        offset 0
    ) d
    where n.kind = 'url'
    union all
    select n.id, n.created_at, d.*
    from named n
    cross join lateral (
        select x.id, x.created_at, x.finished_at, x.environment_tier, x.result
        from core.deployments x
        where x.client_id = (select core.etl_client_id()) and x.sha ~>=~ n.reference and x.sha ~<~ n.reference_end
        offset 0
    ) d
    where n.kind = 'sha'
    union all
    select n.id, n.created_at, d.*
    from upstream_ids n
    cross join lateral (
        select x.id, x.created_at, x.finished_at, x.environment_tier, x.result
        from core.deployments x
        where (x.client_id, x.id) = ((select core.etl_client_id()), n.deployment_id)
        offset 0
    ) d
), named_deployments as (
    -- (what began after the incident is its repair, and no cause)
    select id, created_at, deployment_id, finished_at from found_deployments
    where environment_tier = 'production' and result = 'success' and began_at < created_at
    union all
    -- of a change: the deployment that brought it
    select n.id, n.created_at, l.deployment_id, l.deployed_at
    from named_changes n
    join core.deployment_changes l on (l.client_id, l.change_id) = ((select core.etl_client_id()), n.change_id)
    where l.deployed_at < n.created_at
), explicit as (
    select distinct on (id) id, deployment_id, 'explicit' as method, 1.0 as confidence, 1 as rank
    from named_deployments
    order by id, (finished_at < created_at) desc, finished_at desc, deployment_id desc
), fix_reverts as (
    select distinct on (n.id) n.id, l.deployment_id, 'fix_reverts', 0.9, 2
    from named n
    join core.change_references r on (r.client_id, r.issue_key) = ((select core.etl_client_id()), n.reference)
    join core.changes c on (c.client_id, c.id) = (r.client_id, r.change_id) and c.reverts_change_id is not null
    join core.deployment_changes l on (l.client_id, l.change_id) = (c.client_id, c.reverts_change_id)
    join core.deployments d on (d.client_id, d.id) = (l.client_id, l.deployment_id) and d.created_at < n.created_at
    where n.kind = 'key'
    order by n.id, (l.deployed_at < n.created_at) desc, l.deployed_at desc, l.deployment_id desc
), linked_issue as (
    select distinct on (n.id) n.id, l.deployment_id, 'linked_issue', 0.7, 3
    from named n
    join core.change_references r on (r.client_id, r.issue_key) = ((select core.etl_client_id()), n.reference)
    join core.deployment_changes l on (l.client_id, l.change_id) = (r.client_id, r.change_id)
    where n.kind = 'linked' and l.deployed_at < n.created_at
    order by n.id, l.deployed_at desc, l.deployment_id desc
), fix_version as (
    select distinct on (n.id) n.id, before.id, 'fix_version', 0.6, 4
    from named n
    join core.deployments repair on (repair.client_id, repair.ref_name) = ((select core.etl_client_id()), n.reference)
     and repair.environment_tier = 'production' and repair.result = 'success'
     and (n.service_id is null or repair.service_id = n.service_id)
    cross join lateral (
        select d.id, d.finished_at from core.deployments d
        where (d.client_id, d.service_id) = (repair.client_id, repair.service_id)
          and d.environment_tier = 'production' and d.result = 'success'
          and d.finished_at < n.created_at and d.finished_at >= n.window_from
        order by d.finished_at desc, d.id desc limit 1
    ) before
    where n.kind = 'fix_version' and repair.finished_at > n.created_at
    order by n.id, before.finished_at desc, before.id desc
), time_window as (
    select k.id, before.id, 'time_window', 0.4, 5
    from relinked_incidents k
    cross join lateral (
        select d.id from core.deployments d
        where (d.client_id, d.service_id) = ((select core.etl_client_id()), k.service_id)
          and d.environment_tier = 'production' and d.result = 'success'
          and d.finished_at < k.created_at and d.finished_at >= k.window_from
        order by d.finished_at desc, d.id desc limit 1
    ) before
), strongest as (
    select distinct on (id) id as incident_id, deployment_id, method, confidence::numeric(3, 2) as confidence
    from (
        select * from explicit union all select * from fix_reverts union all select * from linked_issue
        union all select * from fix_version union all select * from time_window
    ) found
    order by id, rank
)
select f.incident_id, f.deployment_id, f.method, f.confidence,
       core.elapsed_hours(d.finished_at, k.resolved_at, s.working) as recovery_hours
from strongest f
join relinked_incidents k on k.id = f.incident_id
join core.incidents i on (i.client_id, i.id) = ((select core.etl_client_id()), f.incident_id) and not i.is_external
join core.deployments d on (d.client_id, d.id) = ((select core.etl_client_id()), f.deployment_id)
cross join dora_settings s;
create unique index on wanted_causes (incident_id);
analyze wanted_causes (incident_id);

create temporary table changed_causes (
    incident_id text, old_deployment_id text, deployment_id text, is_counted_anew boolean) on commit drop;
with removed as (
    delete from core.incident_deployments t using relinked_incidents r
    where (t.client_id, t.incident_id) = ((select core.etl_client_id()), r.id)
      and not exists (select from wanted_causes w where w.incident_id = t.incident_id)
    returning t.incident_id, t.deployment_id
)
insert into changed_causes
select incident_id, deployment_id, null, true from removed where (select reason = 'data' from dora_settings);
with merged as (
    merge into core.incident_deployments as t
    using wanted_causes as s on (t.client_id, t.incident_id) = ((select core.etl_client_id()), s.incident_id)
    when matched and row(t.deployment_id, t.method, t.confidence, t.recovery_hours)
        is distinct from row(s.deployment_id, s.method, s.confidence, s.recovery_hours) then update set
        deployment_id = s.deployment_id, method = s.method, confidence = s.confidence, recovery_hours = s.recovery_hours
    when not matched then insert (client_id, incident_id, deployment_id, method, confidence, recovery_hours)
        values ((select core.etl_client_id()), s.incident_id, s.deployment_id, s.method, s.confidence, s.recovery_hours)
    returning new.incident_id, old.deployment_id as old_deployment_id, new.deployment_id,
              old.recovery_hours is distinct from new.recovery_hours as is_counted_anew
)
insert into changed_causes select * from merged where (select reason = 'data' from dora_settings);
insert into moved
select 'recovery', i.service_id, i.resolved_on, i.id, 'changed'
from changed_causes c
join core.incidents i on (i.client_id, i.id) = ((select core.etl_client_id()), c.incident_id)
where c.is_counted_anew and i.resolved_on is not null;
insert into reflag_deployments
select old_deployment_id from changed_causes where old_deployment_id is not null
union all
select deployment_id from changed_causes where deployment_id is not null;
