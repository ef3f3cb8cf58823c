-- Table core.pull_requests: the merged changes of custom sources loaded since the last run, from raw.http_json_records.
-- Grain: one row per merged change. external_id is the stream's name and upstream's own id (merges:17).
-- The loader has checked the fields; here they get their types.
select
    r.integration_id,
    coalesce(known.id, nextval('core.record_ids')) as id,
    r.record_id as external_id,
    c.service as service_name,
    c.title,
    c.author as author_login,
    c.url,
    c.first_commit_at as first_authored_at,
    c.opened_at as created_at,
    c.first_review_at,
    c.approved_at,
    c.merged_at,
    c.merge_sha as merge_commit_sha,
    r.deleted_at
from raw.http_json_records r
cross join jsonb_to_record(r.payload -> 'record') as c (
    service text, title text, author text, url text, first_commit_at timestamptz, opened_at timestamptz,
    first_review_at timestamptz, approved_at timestamptz, merged_at timestamptz, merge_sha text)
left join core.pull_requests known on (known.integration_id, known.external_id) = (r.integration_id, r.record_id)
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
  and r.payload ->> 'entity' = 'changes'
