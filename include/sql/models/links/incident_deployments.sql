-- Table core.incident_deployments: the deployment that caused an incident, by the strongest method that finds one.
-- Grain: one row per incident with a known cause.
-- explicit: the incident's text names the deployment, its commit, a change that it delivered, or a commit of that.
-- fix_reverts: the incident's fix reverts a change that it delivered. linked_issue: it delivered the change of a linked issue.
-- fix_version: the service's latest release before the incident, where a deployment of that service is of the version that
-- fixed it. time_window: the service's latest release before the incident.
-- Per: incident_id of select id as incident_id from core.incidents
with moved as (
    select d.*, d.finished_at + s.incident_window as window_until from moved_deployments d, settings s
), digits as (
    -- how many digits the incidents' texts give of a commit
    select distinct length(reference) as digits from core.incident_references where kind = 'sha'
), commits as (
    select sha from moved
    union
    select merge_commit_sha from moved_changes
    union
    select k.sha
    from moved_changes c
    join core.pull_request_commits k
      on (k.integration_id, k.pull_request_id) = (c.integration_id, c.pull_request_id)
), named as (
    select 'url' as kind, url as reference from moved
    union
    select 'url', url from moved_changes
    union
    select 'fix_version', ref_name from moved
    union
    select 'sha', left(c.sha, n.digits) from commits c join digits n on n.digits <= length(c.sha)
    union
    select 'number', split_part(id, ':', 3) from moved
    union
    select kind, issue_key from moved_changes c, unnest(c.issue_keys) issue_key, (values ('key'), ('linked')) k (kind)
    union
    -- changes that revert a moved one name the incident that they repair
    select 'key', issue_key
    from moved_changes m
    join core.changes c on c.reverts_change_id = m.id
    cross join unnest(c.issue_keys) issue_key
), delivered_by as (
    select id as deployment_id from moved
    union
    select (before).deployment_id from deployment_changes_changed
    union
    select l.deployment_id
    from moved_changes c
    join core.deployment_changes l on l.change_id = c.id
)
select id as incident_id from incident_candidates
union
select coalesce((after).id, (before).id) from incidents_changed
union
select r.incident_id
from named n
cross join lateral (
    select x.incident_id from core.incident_references x
    where (x.kind, x.reference) = (n.kind, n.reference)
    offset 0
) r
union
select l.incident_id
from delivered_by d
join core.incident_deployments l on l.deployment_id = d.deployment_id
union
select i.id
from moved d
join core.incidents i
  on i.service_id = d.service_id and i.created_at > d.finished_at and i.created_at <= d.window_until
union
select i.id
from moved d
join core.incidents i on i.created_at > d.finished_at and i.created_at <= d.window_until
join core.incident_references r on (r.incident_id, r.kind) = (i.id, 'fix_version')
;
with incidents as materialized (
    select i.id, i.created_at, i.created_at - s.incident_window as window_from, i.service_id, i.resolved_at, i.is_external
    from touched q
    join core.incidents i on i.id = q.incident_id
    cross join settings s
), named as (
    -- Computed here, since a condition on a computed value would keep the policies from using the indexes.
    select i.id, i.created_at, i.window_from, i.service_id, r.kind, r.reference, r.reference || 'g' as reference_end,
           substring(r.reference from '/([0-9]{1,9})$')::integer as number,
           case when r.kind = 'number' then r.reference end as record_id
    from incidents i
    join core.incident_references r on r.incident_id = i.id
), forges as (
    select distinct integration_id, prefix from live_services where repository_id is not null
), named_pulls as (
    -- by their address, which ends with the number, or by a commit: the merge's or one of their own
    select n.id, n.created_at, p.integration_id, p.repository_id, p.pull_request_id
    from named n
    cross join forges g
    cross join lateral (
        select x.integration_id, x.repository_id, x.id as pull_request_id from core.pull_requests x
        where n.kind = 'url' and x.url = n.reference and (x.integration_id, x.number) = (g.integration_id, n.number)
        union all
        select x.integration_id, x.repository_id, x.id from core.pull_requests x
        where n.kind = 'sha' and x.integration_id = g.integration_id
          and x.merge_commit_sha >= n.reference and x.merge_commit_sha < n.reference_end
        union
        select x.integration_id, x.repository_id, x.id
        from core.pull_request_commits k
        join core.pull_requests x on (x.integration_id, x.id) = (k.integration_id, k.pull_request_id)
        where n.kind = 'sha' and k.integration_id = g.integration_id
          and k.sha >= n.reference and k.sha < n.reference_end
        offset 0
    ) p
), named_changes as materialized (
    select p.id, p.created_at, v.prefix || '-pr:' || p.integration_id || ':' || p.pull_request_id || v.suffix as change_id
    from named_pulls p
    join live_services v on (v.integration_id, v.repository_id) = (p.integration_id, p.repository_id)
    union all
    -- one without a pull request in a repository
    select n.id, n.created_at, c.id
    from named n
    cross join lateral (
        select x.id from core.changes x
        where n.kind = 'url' and x.pull_request_id is null and x.url = n.reference
        union all
        select x.id from core.changes x
        where n.kind = 'sha' and x.pull_request_id is null
          and x.merge_commit_sha >= n.reference and x.merge_commit_sha < n.reference_end
        offset 0
    ) c
), named_ids as (
    -- A deployment's, release's or run's number is its id upstream.
    select n.id, n.created_at, d.id as deployment_id
    from named n
    cross join forges g
    cross join lateral (
        values (g.prefix || '-deployment:' || g.integration_id || ':' || n.record_id),
               (g.prefix || '-release:' || g.integration_id || ':' || n.record_id)
        union all
        select g.prefix || '-run:' || r.integration_id || ':' || r.key from core.deployment_records r
        where r.kind = 'workflow_run' and (r.integration_id, r.record) = (g.integration_id, n.record_id::bigint)
        offset 0
    ) d (id)
    where n.record_id is not null
), found as (
    select n.id, n.created_at, d.deployment_id
    from named n
    cross join lateral (
        -- An address that deployments of several versions share names none.
        select x.id as deployment_id from core.deployments x
        where n.kind = 'url' and x.url = n.reference
          and not exists (
              select from core.deployments o
              where o.url = n.reference and o.environment_tier = 'production' and o.result = 'success'
                and (o.service_id, coalesce(o.version, o.id)) is distinct from (x.service_id, coalesce(x.version, x.id)))
        union all
        select x.id from core.deployments x
        where n.kind = 'sha' and x.version ~>=~ n.reference and x.version ~<~ n.reference_end and x.sha is not null
        offset 0
    ) d
    union all
    select id, created_at, deployment_id from named_ids
), named_deployments as (
    -- What began after the incident repairs it, and is not its cause. A redeployment or rollback brought nothing new: the
    -- release of its version did, unless they count as releases.
    select f.id, f.created_at, coalesce(brought.id, d.id) as deployment_id, coalesce(brought.finished_at, d.finished_at) as finished_at
    from found f
    cross join lateral (select * from core.deployments x where x.id = f.deployment_id offset 0) d
    left join lateral (
        select r.id, r.finished_at from core.deployments r
        where d.kind <> 'release' and not (select count_redeployments from settings)
          and r.version = d.version and r.service_id = d.service_id and r.kind = 'release'
          and r.environment_tier = 'production' and r.result = 'success' and r.finished_at < d.finished_at
        order by r.finished_at desc, r.id desc limit 1
    ) brought on true
    where d.environment_tier = 'production' and d.result = 'success' and d.created_at < f.created_at
    union all
    select n.id, n.created_at, l.deployment_id, l.deployed_at
    from named_changes n
    join core.deployment_changes l on l.change_id = n.change_id
    where l.deployed_at < n.created_at
), explicit as (
    select distinct on (id) id, deployment_id, 'explicit' as method, 1.0 as confidence, 1 as rank
    from named_deployments
    order by id, (finished_at < created_at) desc, finished_at desc, deployment_id desc
), fix_reverts as (
    select distinct on (n.id) n.id, l.deployment_id, 'fix_reverts', 0.9, 2
    from named n
    join core.change_references r on r.issue_key = n.reference
    join core.changes c on c.id = r.change_id and c.reverts_change_id is not null
    join core.deployment_changes l on l.change_id = c.reverts_change_id
    join core.deployments d on d.id = l.deployment_id and d.created_at < n.created_at
    where n.kind = 'key'
    order by n.id, (l.deployed_at < n.created_at) desc, l.deployed_at desc, l.deployment_id desc
), linked_issue as (
    select distinct on (n.id) n.id, l.deployment_id, 'linked_issue', 0.7, 3
    from named n
    join core.change_references r on r.issue_key = n.reference
    join core.deployment_changes l on l.change_id = r.change_id
    where n.kind = 'linked' and l.deployed_at < n.created_at
    order by n.id, l.deployed_at desc, l.deployment_id desc
), fix_version as (
    select distinct on (n.id) n.id, latest.id, 'fix_version', 0.6, 4
    from named n
    join core.deployments repair
      on repair.ref_name = n.reference and repair.environment_tier = 'production' and repair.result = 'success'
     and (n.service_id is null or repair.service_id = n.service_id)
    cross join lateral (
        select d.id, d.finished_at from core.deployments d
        where d.service_id = repair.service_id and d.environment_tier = 'production' and d.result = 'success'
          and d.kind = 'release' and d.finished_at < n.created_at and d.finished_at >= n.window_from
        order by d.finished_at desc, d.id desc limit 1
    ) latest
    where n.kind = 'fix_version' and repair.finished_at > n.created_at
    order by n.id, latest.finished_at desc, latest.id desc
), time_window as (
    select i.id, latest.id, 'time_window', 0.4, 5
    from incidents i
    cross join lateral (
        select d.id from core.deployments d
        where d.service_id = i.service_id and d.environment_tier = 'production' and d.result = 'success'
          and d.kind = 'release' and d.finished_at < i.created_at and d.finished_at >= i.window_from
        order by d.finished_at desc, d.id desc limit 1
    ) latest
), strongest as (
    select distinct on (id) *
    from (
        select * from explicit union all select * from fix_reverts union all select * from linked_issue
        union all select * from fix_version union all select * from time_window
    ) any_method
    where confidence >= (select minimum_confidence from settings)
    order by id, rank
)
select f.id as incident_id, f.deployment_id, f.method, f.confidence::numeric(3, 2) as confidence,
       core.elapsed_hours(d.finished_at, i.resolved_at, s.working) as recovery_hours
from strongest f
join incidents i on i.id = f.id and not i.is_external
join core.deployments d on d.id = f.deployment_id
cross join settings s
