-- Statements: core.transform_watermarks remembers from which load on the next run reads.
insert into core.transform_watermarks as t (client_id, transform, loaded_xid)
select core.etl_client_id(), 'normalise', current_setting('pulse.normalise_next')::xid8
on conflict (client_id, transform) do update set loaded_xid = excluded.loaded_xid, updated_at = now()
where t.loaded_xid < excluded.loaded_xid;
