-- One row per plan (epic, version or sprint) and project of the latest night: when it will be done, and how many items by a date.
select
    f.client_id, c.name as client_name, f.made_on, f.scope_type, f.scope_id, f.scope_name, f.project_key, f.url, f.done_items,
    f.remaining_items, f.past_weeks, f.past_items, f.due_on, f.p50_on, f.p85_on, f.p95_on, f.p50_items, f.p85_items, f.p95_items,
    f.null_reason,
    case f.scope_type when 'epic' then 'Epic' when 'version' then 'Version' when 'sprint' then 'Sprint' else 'Project' end
        as kind_text,
    f.done_items || ' done, ' || f.remaining_items || ' to do' as progress_text,
    case f.null_reason
        when 'few_items' then f.past_items || ' of 5 items finished: not enough yet'
        when 'few_weeks' then f.past_weeks || ' of 4 weeks of history: not enough yet'
        else ''
    end as reason_text,
    d.p50 as p50_text, d.p85 as p85_text, d.p95 as p95_text,
    f.scope_type = 'sprint' and f.p85_items < f.remaining_items as is_late,
    case when f.null_reason = 'few_items' then f.past_items || ' of 5 items finished: not enough yet'
         when f.null_reason = 'few_weeks' then f.past_weeks || ' of 4 weeks of history: not enough yet'
         when f.scope_type = 'project' then 'at least ' || f.p85_items || ' items by ' || to_char(f.due_on, 'FMDD Mon YYYY')
         when f.p85_items = 0 then 'none is sure by ' || to_char(f.due_on, 'FMDD Mon YYYY')
         when f.p85_items >= f.remaining_items then 'all ' || f.remaining_items || ' by ' || to_char(f.due_on, 'FMDD Mon YYYY')
         else 'at least ' || f.p85_items || ' of ' || f.remaining_items || ' by ' || to_char(f.due_on, 'FMDD Mon YYYY')
    end as by_due_text,
    f.past_items || ' items in ' || f.past_weeks || ' weeks' as basis_text,
    case f.scope_type when 'sprint' then 1 when 'epic' then 2 when 'version' then 3 else 4 end as kind_order
from core.forecasts f
join core.dora_state t on t.client_id = f.client_id and t.computed_through = f.made_on
join core.clients c on c.id = f.client_id
cross join lateral (select f.null_reason is null and f.scope_type in ('epic', 'version') as is_dated) u
cross join lateral (
    select case when u.is_dated then coalesce(to_char(f.p50_on, 'FMDD Mon YYYY'), 'not within two years') else '' end as p50,
           case when u.is_dated then coalesce(to_char(f.p85_on, 'FMDD Mon YYYY'), 'not within two years') else '' end as p85,
           case when u.is_dated then coalesce(to_char(f.p95_on, 'FMDD Mon YYYY'), 'not within two years') else '' end as p95
) d;
