-- Table core.dora_publications: that this run changed published numbers, and why.
-- Grain: one row per run that did. Only appended to.
select s.definition_version,
       case when s.reason <> 'data' then s.reason when exists (select from moved_facts) then 'data' else 'calendar' end
           as reason,
       n.numbers, coalesce(r.restated, 0) as restated
from settings s
cross join (select sum(rows) as numbers from written where model = 'dora_metrics') n
cross join (select sum(rows) as restated from written where model = 'dora_restatements') r
where n.numbers > 0
