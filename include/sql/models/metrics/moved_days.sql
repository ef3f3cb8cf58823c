-- Temporary table moved_days: the days on which a fact has moved, of scopes that are not recomputed whole.
-- Grain: one row per family, scope and day.
with days as (
    select distinct family, service_id, day from moved_facts where not (select is_full from settings)
), scoped as (
    select distinct d.family, m.scope_type, m.scope_id, d.day
    from days d
    join scope_services m on m.service_id = d.service_id
    union
    select family, 'client', '', day from days
)
select * from scoped
where not exists (select from recomputed_scopes r
                  where (r.scope_type, r.scope_id, r.family) = (scoped.scope_type, scoped.scope_id, scoped.family))
