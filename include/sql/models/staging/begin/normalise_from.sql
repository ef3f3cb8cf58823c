-- Statements: from which load on this run reads (pulse.normalise_from), and from which the next one will.
-- Whatever may still commit has the xid pulse.normalise_next or a later one; end/watermark.sql stores it. A row that is
-- read twice because of it is written only if it differs.
select
    set_config('pulse.normalise_next', pg_snapshot_xmin(pg_current_snapshot())::text, true),
    set_config('pulse.normalise_from', coalesce(
        (select loaded_xid::text from core.transform_watermarks where transform = 'normalise'), '0'), true);
