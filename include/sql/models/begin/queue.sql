-- Statements: takes what core.dora_queue holds into the temporary table queue (fact, integration_id, key, external_id): the
-- records of the sources that were written since the last run. A full run reads everything, so it drops them.
-- external_id: the id of a record whose source has no numbers for ids.
create temporary table queue (fact text, integration_id bigint, key text, external_id text) on commit drop;
with taken as (
    delete from core.dora_queue where client_id = (select core.etl_client_id()) returning fact, integration_id, key
)
insert into queue
select distinct fact, integration_id, key, case when key like '=%' then substr(key, 2) end
from taken where not (select is_full from settings);
analyze queue;
