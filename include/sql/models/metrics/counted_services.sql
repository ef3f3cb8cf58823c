-- Temporary table counted_services: in which scopes with cells a service's facts count. (The client is scope 1, and has all.)
-- Grain: one row per family, scope and service.
select c.family, c.scope_no, m.service_id
from (select distinct family, scope_no, scope_type, scope_id from cells) c
join scope_services m on (m.scope_type, m.scope_id) = (c.scope_type, c.scope_id)
