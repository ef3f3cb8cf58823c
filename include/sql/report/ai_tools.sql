-- One row per client and tool of which changes of the last 90 days bear a sign. A change may bear the signs of several.
select a.client_id, tool.name as tool, count(*) as changes
from core.dora_state t
join report.ai_changes a on a.client_id = t.client_id and a.is_recent
cross join unnest(
    case when a.ai = 'agent' and a.assisted_by = '{}' then array[core.say('A coding agent')] else a.assisted_by end) tool (name)
group by a.client_id, tool.name;
