-- Statements
-- core.custom_deployments, core.custom_incidents, core.custom_changes: the records of custom sources (http_json) by the
-- entity that the admin declared, from what was loaded since the last run. An id is the stream's name and the upstream's
-- own id (deploys:17). The loader has typed and checked the fields; the casts here only give them their types.
with typed as (
    select
        r.integration_id,
        r.record_id as id,
        f ->> 'service' as service,
        f ->> 'environment' as environment,
        f ->> 'result' as result,
        f ->> 'sha' as sha,
        f ->> 'ref_name' as ref_name,
        f ->> 'url' as url,
        (f ->> 'created_at')::timestamptz as created_at,
        (f ->> 'finished_at')::timestamptz as finished_at,
        r.deleted_at
    from raw.http_json_records r
    cross join lateral (select r.payload -> 'record' as f) fields
    where r.client_id = (select core.etl_client_id())
      and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
      and r.payload ->> 'entity' = 'deployments'
)
insert into core.custom_deployments as t
    (client_id, integration_id, id, service, environment, result, sha, ref_name, url, created_at, finished_at, deleted_at)
select core.etl_client_id(), typed.* from typed
on conflict (client_id, integration_id, id) do update set
    service = excluded.service, environment = excluded.environment, result = excluded.result, sha = excluded.sha,
    ref_name = excluded.ref_name, url = excluded.url, created_at = excluded.created_at,
    finished_at = excluded.finished_at, deleted_at = excluded.deleted_at
where t is distinct from excluded;

with typed as (
    select
        r.integration_id,
        r.record_id as id,
        f ->> 'key' as key,
        f ->> 'title' as title,
        coalesce(f ->> 'description', '') as description,
        f ->> 'service' as service,
        f ->> 'severity' as severity,
        f ->> 'url' as url,
        (f ->> 'created_at')::timestamptz as created_at,
        (f ->> 'resolved_at')::timestamptz as resolved_at,
        r.deleted_at
    from raw.http_json_records r
    cross join lateral (select r.payload -> 'record' as f) fields
    where r.client_id = (select core.etl_client_id())
      and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
      and r.payload ->> 'entity' = 'incidents'
)
insert into core.custom_incidents as t
    (client_id, integration_id, id, key, title, description, service, severity, url, created_at, resolved_at, deleted_at)
select core.etl_client_id(), typed.* from typed
on conflict (client_id, integration_id, id) do update set
    key = excluded.key, title = excluded.title, description = excluded.description, service = excluded.service,
    severity = excluded.severity, url = excluded.url, created_at = excluded.created_at,
    resolved_at = excluded.resolved_at, deleted_at = excluded.deleted_at
where t is distinct from excluded;

with typed as (
    select
        r.integration_id,
        r.record_id as id,
        f ->> 'service' as service,
        f ->> 'title' as title,
        f ->> 'author' as author,
        f ->> 'url' as url,
        (f ->> 'first_commit_at')::timestamptz as first_commit_at,
        (f ->> 'opened_at')::timestamptz as opened_at,
        (f ->> 'first_review_at')::timestamptz as first_review_at,
        (f ->> 'approved_at')::timestamptz as approved_at,
        (f ->> 'merged_at')::timestamptz as merged_at,
        f ->> 'merge_sha' as merge_sha,
        r.deleted_at
    from raw.http_json_records r
    cross join lateral (select r.payload -> 'record' as f) fields
    where r.client_id = (select core.etl_client_id())
      and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
      and r.payload ->> 'entity' = 'changes'
)
insert into core.custom_changes as t
    (client_id, integration_id, id, service, title, author, url, first_commit_at, opened_at, first_review_at, approved_at,
     merged_at, merge_sha, deleted_at)
select core.etl_client_id(), typed.* from typed
on conflict (client_id, integration_id, id) do update set
    service = excluded.service, title = excluded.title, author = excluded.author, url = excluded.url,
    first_commit_at = excluded.first_commit_at, opened_at = excluded.opened_at,
    first_review_at = excluded.first_review_at, approved_at = excluded.approved_at, merged_at = excluded.merged_at,
    merge_sha = excluded.merge_sha, deleted_at = excluded.deleted_at
where t is distinct from excluded;

-- A stream whose entity the admin has changed: what its records were before is no more.
update core.custom_deployments t set deleted_at = now()
from raw.http_json_records r
where r.client_id = (select core.etl_client_id())
  and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
  and (t.client_id, t.integration_id, t.id) = (r.client_id, r.integration_id, r.record_id)
  and r.payload ->> 'entity' <> 'deployments' and t.deleted_at is null;

update core.custom_incidents t set deleted_at = now()
from raw.http_json_records r
where r.client_id = (select core.etl_client_id())
  and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
  and (t.client_id, t.integration_id, t.id) = (r.client_id, r.integration_id, r.record_id)
  and r.payload ->> 'entity' <> 'incidents' and t.deleted_at is null;

update core.custom_changes t set deleted_at = now()
from raw.http_json_records r
where r.client_id = (select core.etl_client_id())
  and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
  and (t.client_id, t.integration_id, t.id) = (r.client_id, r.integration_id, r.record_id)
  and r.payload ->> 'entity' <> 'changes' and t.deleted_at is null;
