-- Statements: what this run worked with, for the next one; and what no fact refers to any more goes.
delete from core.services t
where client_id = (select core.etl_client_id()) and not exists (select from live_services v where v.id = t.id);

-- Of a period that was still running, one version a day is enough after five weeks.
delete from core.dora_metric_history h
using settings s
where h.client_id = s.client_id and h.valid_to < now() - interval '35 days' and h.valid_to > now() - interval '50 days'
  and h.period_end > (h.valid_to at time zone s.time_zone)::date
  and exists (
      select from core.dora_metric_history later
      where (later.client_id, later.metric_type, later.grain, later.scope_type, later.scope_id, later.calculation_date)
          = (h.client_id, h.metric_type, h.grain, h.scope_type, h.scope_id, h.calculation_date)
        and later.valid_from >= h.valid_to
        and (later.valid_to at time zone s.time_zone)::date = (h.valid_to at time zone s.time_zone)::date);

insert into core.dora_state as t (client_id, definition, definition_version, computed_through, published_at)
select client_id, definition, definition_version, today, now() from settings
on conflict (client_id) do update set
    definition = excluded.definition, definition_version = excluded.definition_version,
    computed_through = excluded.computed_through, published_at = excluded.published_at
where (t.definition, t.computed_through) is distinct from (excluded.definition, excluded.computed_through);
