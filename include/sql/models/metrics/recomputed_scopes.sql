-- Temporary table recomputed_scopes: the scopes of which all numbers are computed: new or gone ones, and those that begin on
-- another day or have other services; all of a family with a new metric; all of them in a full run.
-- Grain: one row per scope and family.
-- Index: (scope_type, scope_id, family)
select coalesce((after).scope_type, (before).scope_type) as scope_type,
       coalesce((after).scope_id, (before).scope_id) as scope_id, coalesce((after).family, (before).family) as family
from dora_scopes_changed
union
select scope_type, scope_id, family from scope_days
where (select is_full from settings) or family in (select family from new_metrics)
