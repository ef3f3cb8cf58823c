-- Statements
-- core.dora_state: what this run worked with. And services that have no source any more go, now that no fact is theirs.
delete from core.services t
where t.client_id = (select core.etl_client_id()) and not exists (select from live_services v where v.id = t.id);

insert into core.dora_state as t (client_id, definition, definition_version, computed_through, published_at)
select client_id, definition, definition_version, today, now() from dora_settings
on conflict (client_id) do update set
    definition = excluded.definition, definition_version = excluded.definition_version,
    computed_through = excluded.computed_through, published_at = excluded.published_at
where (t.definition, t.computed_through) is distinct from (excluded.definition, excluded.computed_through);
