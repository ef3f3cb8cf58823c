-- Statements: from which load on this run reads (pulse.normalise_from), and from which the next one will.
-- Whatever may still commit has the xid pulse.normalise_next or a later one; end/watermark.sql stores it. A row that is
-- read twice because of it is written only if it differs.
-- Everything is read again when a repository, project or run was a reject and has come since the last run: what hangs on it
-- may have been loaded before, and could not be written without it.
select
    set_config('pulse.normalise_next', pg_snapshot_xmin(pg_current_snapshot())::text, true),
    set_config('pulse.normalise_from', coalesce(
        (select w.loaded_xid::text
         from core.transform_watermarks w
         where w.transform = 'normalise'
           and not exists (
               select from raw.rejects x
               where x.replayed_at > w.updated_at - interval '1 hour'
                 and x.entity ~ '_(repositories|projects|workflow_runs)$')), '0'), true);
