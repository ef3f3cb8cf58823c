-- One row per month, project and category of work: the items done, and the time they were in progress. For the last 13 months.
--
-- Epics and sub-tasks are not counted: their work is that of the items in between. Shares are of the client's month.
select
    m.client_id, m.done_month, m.project_key, m.category, m.is_unplanned, m.planned_text, m.items, m.progress_days,
    100.0 * m.items / sum(m.items) over (partition by m.client_id, m.done_month) as items_percent,
    100.0 * m.progress_days / nullif(sum(m.progress_days) over (partition by m.client_id, m.done_month), 0) as progress_percent,
    m.is_partial
from (
    select w.client_id, date_trunc('month', w.done_on)::timestamp as done_month, w.project_key,
           coalesce(nullif(w.category, ''), core.say('Other work')) as category, w.is_unplanned,
           case when w.is_unplanned then core.say('Unplanned: it came up') else core.say('Planned') end as planned_text, count(*) as items,
           coalesce(sum(w.cycle_time_hours - coalesce(w.waiting_hours, 0)), 0) / 24 as progress_days,
           date_trunc('month', w.done_on) = date_trunc('month', t.computed_through) as is_partial
    from core.dora_state t
    join core.work_items w on w.client_id = t.client_id and w.done_on <= t.computed_through
        and w.done_on >= date_trunc('month', t.computed_through) - interval '12 months'
    where not w.is_epic and not w.is_subtask
    group by w.client_id, 2, w.project_key, 4, w.is_unplanned, t.computed_through, 9
) m;
