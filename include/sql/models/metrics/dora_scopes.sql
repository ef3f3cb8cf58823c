-- Table core.dora_scopes: from which day on a scope has numbers of a family, as of the last run.
-- Grain: one row per scope and family.
-- Per: client
select scope_type, scope_id, family, first_day, kind_day, success_day, members from scope_days
