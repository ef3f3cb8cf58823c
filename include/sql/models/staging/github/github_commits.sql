-- Statements
-- core.github_commits: the default branch's commits loaded since the last run (positions: the next file).
with typed as (
    select
        r.integration_id,
        r.scope_key::bigint as repository_id,
        r.payload ->> 'oid' as sha,
        array(select jsonb_array_elements_text(r.payload -> 'parents')) as parent_shas,
        (r.payload ->> 'authoredDate')::timestamptz as authored_at,
        (r.payload ->> 'committedDate')::timestamptz as committed_at,
        coalesce(r.payload ->> 'messageHeadline', '') as headline
    from raw.github_commits r
    where r.client_id = (select core.etl_client_id())
      and r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
      and exists (
          select from core.github_repositories g
          where g.client_id = r.client_id and g.integration_id = r.integration_id and g.id = r.scope_key::bigint)
)
insert into core.github_commits as t
    (client_id, integration_id, repository_id, sha, parent_shas, authored_at, committed_at, headline)
select core.etl_client_id(), typed.* from typed
on conflict (client_id, integration_id, repository_id, sha) do update set
    parent_shas = excluded.parent_shas, authored_at = excluded.authored_at, committed_at = excluded.committed_at,
    headline = excluded.headline
where (t.parent_shas, t.authored_at, t.committed_at, t.headline)
    is distinct from (excluded.parent_shas, excluded.authored_at, excluded.committed_at, excluded.headline);
