-- One row per published number of a month of the client that was corrected since last month began; or one that says there was none.
with found as (
    select r.client_id, r.restated_at, r.metric_label || ', ' || core.month_text(r.calculation_date) as what,
           r.old_text || ' → ' || r.new_text as correction, r.cause
    from report.restatements r
    join core.clients c on c.id = r.client_id
    where r.scope_type = 'client' and r.grain = 'month'
      and r.restated_at >= (date_trunc('month', now() at time zone c.time_zone) - interval '1 month') at time zone c.time_zone
)
select client_id, restated_at, what, correction, cause, core.day_text(restated_at::date) as restated_text from found
union all
select t.client_id, null, core.say('Nothing was corrected'), '', core.say('the months are as they were reported'), ''
from core.dora_state t
where not exists (select from found f where f.client_id = t.client_id);
