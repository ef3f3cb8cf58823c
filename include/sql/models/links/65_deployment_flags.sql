-- Statements
-- core.deployments: what each deployment caused and why it was made: failed_change (an incident is linked to it, or it was
-- rolled back at once), the incidents' keys, how many changes it brought, is_rework. core.rework_evidence: one row a reason
-- why a production deployment was unplanned. For the deployments whose links, order or changes have moved.
insert into reflag_deployments
select l.deployment_id
from repaired_incidents q
join core.incident_references i on (i.client_id, i.incident_id, i.kind) = ((select core.etl_client_id()), q.incident_id, 'key')
join core.change_references r on (r.client_id, r.issue_key) = (i.client_id, i.reference)
join core.deployment_changes l on (l.client_id, l.change_id) = (r.client_id, r.change_id);

create temporary table reflagged_deployments on commit drop as
select d.id, d.service_id, d.environment, d.environment_tier, d.result, d.is_rollback, d.rolled_back_by, d.finished_at,
       d.url, d.contains_after
from (
    select deployment_id from reflag_deployments
    union
    select id from core.deployments where (select is_full from dora_settings) and client_id = (select core.etl_client_id())
) q
join core.deployments d on (d.client_id, d.id) = ((select core.etl_client_id()), q.deployment_id);
create unique index on reflagged_deployments (id);
analyze reflagged_deployments (id, environment_tier, is_rollback);

create temporary table wanted_evidence on commit drop as
select d.id as deployment_id, 'rollback' as rule, undone.id as evidence_id,
       'went back behind the deployment before it' as evidence_text, undone.url as evidence_url
from reflagged_deployments d
cross join lateral (
    select p.id, p.url from core.deployments p
    where (p.client_id, p.service_id, p.environment) = ((select core.etl_client_id()), d.service_id, d.environment)
      and p.environment_tier = 'production' and p.result = 'success' and p.finished_at <= d.finished_at
      and (p.finished_at, p.id) < (d.finished_at, d.id)
    order by p.finished_at desc, p.id desc limit 1
) undone
where d.is_rollback
union all
-- (a hot fix or a revert is rare: of a client's whole history these are found among its changes)
select d.id, rule.name, c.id, c.title, c.url
from reflagged_deployments d
join core.deployment_changes l on (l.client_id, l.deployment_id) = ((select core.etl_client_id()), d.id)
join core.changes c on (c.client_id, c.id) = ((select core.etl_client_id()), l.change_id) and (c.is_hotfix or c.is_revert)
cross join lateral (values ('hotfix', c.is_hotfix), ('revert', c.is_revert)) rule (name, applies)
where d.environment_tier = 'production' and rule.applies
union all
-- An incident that a change names: of a client's whole history from the incidents on, else from the deployments.
select distinct d.id, 'incident', i.id, i.key || ' ' || i.title, i.url
from (
    select r.change_id, n.incident_id
    from core.incident_references n
    join core.change_references r on (r.client_id, r.issue_key) = (n.client_id, n.reference)
    where (select is_full from dora_settings) and (n.client_id, n.kind) = ((select core.etl_client_id()), 'key')
    union all
    select c.id, n.incident_id
    from reflagged_deployments d
    join core.deployment_changes l on (l.client_id, l.deployment_id) = ((select core.etl_client_id()), d.id)
    join core.changes c on (c.client_id, c.id) = ((select core.etl_client_id()), l.change_id)
    cross join lateral unnest(c.issue_keys) as named (issue_key)
    join core.incident_references n
      on (n.client_id, n.kind, n.reference) = ((select core.etl_client_id()), 'key', named.issue_key)
    where not (select is_full from dora_settings)
) named
join core.deployment_changes l on (l.client_id, l.change_id) = ((select core.etl_client_id()), named.change_id)
join reflagged_deployments d on d.id = l.deployment_id and d.environment_tier = 'production'
join core.incidents i on (i.client_id, i.id) = ((select core.etl_client_id()), named.incident_id)
where i.created_at < d.finished_at;
create unique index on wanted_evidence (deployment_id, rule, evidence_id);
analyze wanted_evidence (deployment_id);

delete from core.rework_evidence t using reflagged_deployments d
where (t.client_id, t.deployment_id) = ((select core.etl_client_id()), d.id)
  and not exists (select from wanted_evidence w
                  where (w.deployment_id, w.rule, w.evidence_id) = (t.deployment_id, t.rule, t.evidence_id));
merge into core.rework_evidence as t
using wanted_evidence as s
   on (t.client_id, t.deployment_id, t.rule, t.evidence_id)
    = ((select core.etl_client_id()), s.deployment_id, s.rule, s.evidence_id)
when matched and row(t.evidence_text, t.evidence_url) is distinct from row(s.evidence_text, s.evidence_url) then update set
    evidence_text = s.evidence_text, evidence_url = s.evidence_url
when not matched then insert (client_id, deployment_id, rule, evidence_id, evidence_text, evidence_url)
    values ((select core.etl_client_id()), s.deployment_id, s.rule, s.evidence_id, s.evidence_text, s.evidence_url);

with wanted as (
    select
        d.id,
        d.environment_tier = 'production' and d.result = 'success'
            and (d.rolled_back_by is not null or caused.keys is not null) as failed_change,
        case when d.environment_tier = 'production' and d.result = 'success' then
            case when caused.keys is not null then 'incident ' || caused.keys
                 when d.rolled_back_by is not null then 'rolled back' end
        end as failure_reason,
        caused.keys as incident_keys, coalesce(brought.n, 0) as change_count, why.reason is not null as is_rework,
        why.reason as rework_reason
    from reflagged_deployments d
    left join lateral (
        select string_agg(i.key, ', ' order by i.created_at, i.id) as keys
        from core.incident_deployments l
        join core.incidents i on (i.client_id, i.id) = (l.client_id, l.incident_id)
        where (l.client_id, l.deployment_id) = ((select core.etl_client_id()), d.id)
    ) caused on true
    left join lateral (
        select count(*)::integer as n from core.deployment_changes l
        where (l.client_id, l.deployment_id) = ((select core.etl_client_id()), d.id)
    ) brought on true
    left join (
        select deployment_id,
               string_agg(case rule when 'rollback' then 'rollback' when 'incident' then 'repairs ' || split_part(evidence_text, ' ', 1)
                          else rule || ' ' || coalesce(evidence_url, evidence_text) end,
                          ', ' order by array_position(array['rollback', 'hotfix', 'revert', 'incident'], rule), evidence_id) as reason
        from wanted_evidence group by deployment_id
    ) why on why.deployment_id = d.id
), updated as (
    update core.deployments t
    set failed_change = w.failed_change, failure_reason = w.failure_reason, incident_keys = w.incident_keys,
        change_count = w.change_count, is_rework = w.is_rework, rework_reason = w.rework_reason
    from wanted w
    where (t.client_id, t.id) = ((select core.etl_client_id()), w.id)
      and (t.failed_change, t.failure_reason, t.incident_keys, t.change_count, t.is_rework, t.rework_reason)
          is distinct from (w.failed_change, w.failure_reason, w.incident_keys, w.change_count, w.is_rework, w.rework_reason)
    returning old as before, new as after
)
insert into moved
select 'deployments', (u.after).service_id, (u.after).finished_on, (u.after).id, 'changed'
from updated u
where (u.after).environment_tier = 'production' and (select reason = 'data' from dora_settings)
  and ((u.before).failed_change, (u.before).is_rework) is distinct from ((u.after).failed_change, (u.after).is_rework);
