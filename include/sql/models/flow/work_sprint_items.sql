-- Table core.work_sprint_items: how an issue counts in a sprint.
-- Grain: one row per sprint and issue that is or was in it.
-- An issue counts when it comes in not done: with the start (planned) or later (added). Whether it is removed or
-- completed shows at the sprint's end, or so far while it runs.
-- Per: integration_id, issue_id
select integration_id, issue_id from touched_work_items
;
with items as (
    select w.id, w.integration_id, w.issue_id, w.created_at, w.story_points
    from touched_work_items t join core.work_items w on w.id = t.id
), changes as (
    -- each change of the sprints names all of them, before and after it: '38, 40' → '38, 40, 41'
    select i.id, k.is_sprint, c.created_at, case when k.is_sprint then c.from_id else c.from_text end as before,
           case when k.is_sprint then c.to_id else c.to_text end as after,
           row_number() over (partition by i.id, k.is_sprint order by c.created_at, c.history_id, c.item_index) as n
    from items i
    join core.issue_changes c on (c.integration_id, c.issue_id) = (i.integration_id, i.issue_id)
    cross join lateral (select lower(c.field) = 'sprint' as is_sprint) k
    where lower(c.field) in ('sprint', 'story points', 'story point estimate')
), held as (
    select i.id, k.is_sprint, 0 as n, k.since, case when c.n is null then k.value else c.before end as value
    from items i
    join core.issues j on (j.integration_id, j.id) = (i.integration_id, i.issue_id)
    cross join lateral (
        select true as is_sprint, i.created_at as since, (
            select string_agg(x, ',')
            from jsonb_array_elements_text(
                case when jsonb_typeof(j.custom_fields -> 'sprints') = 'array' then j.custom_fields -> 'sprints' end) x
            where x ~ '^[0-9]{1,18}$') as value
        union all
        select false, '-infinity', i.story_points::text
    ) k
    left join changes c on (c.id, c.is_sprint, c.n) = (i.id, k.is_sprint, 1)
    union all
    select id, is_sprint, n, created_at, after from changes
), spells as (
    select id, is_sprint, value, since, lead(since, 1, 'infinity') over (partition by id, is_sprint order by n) as until
    from held
), sprints as (
    select integration_id, id, started_at,
           case when state = 'closed' then coalesce(completed_at, ends_at, 'infinity') else 'infinity' end as ended_at
    from core.sprints where deleted_at is null and state <> 'future'
), memberships as (
    select p.id, i.integration_id, i.issue_id, n.sprint_id, s.ended_at, min(p.since) as joined_at,
           nullif(max(p.until), 'infinity') as left_at, coalesce(bool_or(x.at_start), false) as in_at_start,
           coalesce(bool_or(p.since <= s.ended_at and (p.until > s.ended_at or p.until = 'infinity')), false)
               as in_at_end,
           coalesce(min(s.started_at) filter (where x.at_start),
                    min(p.since) filter (where p.since > s.started_at and p.since <= s.ended_at and p.until > p.since))
               as entered_at
    from spells p
    join items i on i.id = p.id
    cross join lateral (select m[1]::bigint as sprint_id from regexp_matches(p.value, '[0-9]{1,18}', 'g') m) n
    left join sprints s on (s.integration_id, s.id) = (i.integration_id, n.sprint_id)
    cross join lateral (select p.since <= s.started_at and p.until > s.started_at as at_start) x
    where p.is_sprint
    group by p.id, i.integration_id, i.issue_id, n.sprint_id, s.ended_at
), situations as (
    -- from when until when an issue was done, and had which estimate
    select id, entered_at as since, coalesce(left_at, 'infinity') as until, status_category = 'done' as is_done,
           null::numeric as points
    from work_stays
    union all
    select id, since, until, null, case when value ~ '^-?[0-9]{1,12}(\.[0-9]{1,12})?$' then value::numeric end
    from spells where not is_sprint
), judged as (
    select m.id, m.sprint_id, coalesce(bool_or(x.is_done) filter (where e.at_entry), false) as done_at_entry,
           coalesce(bool_or(x.is_done) filter (where e.at_end), false) as done_at_end,
           max(x.points) filter (where e.at_entry) as entry_points, max(x.points) filter (where e.at_end) as end_points
    from memberships m
    join situations x on x.id = m.id
    cross join lateral (
        select x.since <= m.entered_at and x.until > m.entered_at as at_entry,
               x.since <= m.ended_at and (x.until > m.ended_at or x.until = 'infinity') as at_end
    ) e
    group by m.id, m.sprint_id
)
select m.integration_id, m.sprint_id, m.issue_id, m.id as work_item_id, m.joined_at, m.left_at,
       counts.at_all and m.in_at_start as is_planned, counts.at_all and not m.in_at_start as is_added,
       counts.at_all and not m.in_at_end as is_removed, counts.at_all and m.in_at_end and j.done_at_end as is_completed,
       case when counts.at_all then j.entry_points end as entry_points,
       case when counts.at_all then j.end_points end as end_points
from memberships m
join judged j using (id, sprint_id)
cross join lateral (select m.entered_at is not null and not j.done_at_entry as at_all) counts
