-- Statements
-- Remembers where the next normalise has to start: everything that may still commit has this xid or a later one.
-- 90_watermark.sql stores it; rows read twice because of it are written only if they differ.
select
    set_config('pulse.normalise_next', pg_snapshot_xmin(pg_current_snapshot())::text, true),
    set_config('pulse.normalise_from', coalesce(
        (select loaded_xid::text from core.transform_watermarks
         where client_id = (select core.etl_client_id()) and transform = 'normalise'), '0'), true);
