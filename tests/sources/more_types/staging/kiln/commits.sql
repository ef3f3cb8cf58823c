-- Table core.commits: the commits of Kiln loaded since the last run, from raw.kiln_entries.
-- Grain: one row per commit. Kiln has one branch, so the journal's order is that of the history.
select
    r.integration_id,
    a.id as repository_id,
    r.payload ->> 'rev' as sha,
    (r.payload ->> 'no')::bigint as position,
    true as is_first_parent,
    (r.payload ->> 'at')::timestamptz as authored_at,
    (r.payload ->> 'at')::timestamptz as committed_at,
    r.payload ->> 'note' as headline
from raw.kiln_entries r
join core.repositories a on (a.integration_id, a.full_name) = (r.integration_id, 'kiln/' || (r.payload ->> 'app'))
where r.loaded_xid >= current_setting('pulse.normalise_from')::xid8
  and r.payload ->> 'what' = 'commit'
