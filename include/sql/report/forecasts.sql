-- One row per plan (epic, version or sprint) and project of the latest night: when it will be done, and how many items by a date.
select
    f.client_id, c.name as client_name, f.made_on, f.scope_type, f.scope_id, f.scope_name, f.project_key, f.url, f.done_items,
    f.remaining_items, f.past_weeks, f.past_items, f.due_on, f.p50_on, f.p85_on, f.p95_on, f.p50_items, f.p85_items, f.p95_items,
    f.null_reason,
    case f.scope_type when 'epic' then core.say('Epic') when 'version' then core.say('Version')
                      when 'sprint' then core.say('Sprint') else core.say('Project') end as kind_text,
    format(core.say('%s done, %s to do'), f.done_items, f.remaining_items) as progress_text,
    case f.null_reason
        when 'few_items' then format(core.say('%s of %s items finished: not enough yet'), f.past_items, 5)
        when 'few_weeks' then format(core.say('%s of %s weeks of history: not enough yet'), f.past_weeks, 4)
        else ''
    end as reason_text,
    d.p50 as p50_text, d.p85 as p85_text, d.p95 as p95_text,
    f.scope_type = 'sprint' and f.p85_items < f.remaining_items as is_late,
    case when f.null_reason = 'few_items' then format(core.say('%s of %s items finished: not enough yet'), f.past_items, 5)
         when f.null_reason = 'few_weeks' then format(core.say('%s of %s weeks of history: not enough yet'), f.past_weeks, 4)
         when f.scope_type = 'project' then format(core.say('at least %s items by %s'), f.p85_items, core.day_text(f.due_on))
         when f.p85_items = 0 then format(core.say('none is sure by %s'), core.day_text(f.due_on))
         when f.p85_items >= f.remaining_items then format(core.say('all %s by %s'), f.remaining_items, core.day_text(f.due_on))
         else format(core.say('at least %s of %s by %s'), f.p85_items, f.remaining_items, core.day_text(f.due_on))
    end as by_due_text,
    format(core.say('%s items in %s weeks'), f.past_items, f.past_weeks) as basis_text,
    case f.scope_type when 'sprint' then 1 when 'epic' then 2 when 'version' then 3 else 4 end as kind_order
from core.forecasts f
join core.dora_state t on t.client_id = f.client_id and t.computed_through = f.made_on
join core.clients c on c.id = f.client_id
cross join lateral (select f.null_reason is null and f.scope_type in ('epic', 'version') as is_dated) u
cross join lateral (
    select case when u.is_dated then coalesce(core.day_text(f.p50_on), core.say('not within two years')) else '' end as p50,
           case when u.is_dated then coalesce(core.day_text(f.p85_on), core.say('not within two years')) else '' end as p85,
           case when u.is_dated then coalesce(core.day_text(f.p95_on), core.say('not within two years')) else '' end as p95
) d;
