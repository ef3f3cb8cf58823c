-- Statements
-- core.work_sprint_items: one row a sprint and an issue that is or was in it, and how it counts there.
-- core.work_sprints: one row a sprint: their sums. Recomputed are the sprints that moved and those of touched issues.
-- An issue counts when it comes in not done: with the start (planned) or later (added). Whether it is removed or completed
-- shows at the sprint's end, or so far while it runs.
-- Inputs: work_touched, work_moved_sprints, work_issues, work_stays, core.jira_issue_changes (fields Sprint, story points),
-- core.jira_sprints.
create temporary table work_planning on commit drop as
select c.integration_id, c.issue_id, k.kind, c.created_at, c.from_id, c.to_id, c.from_text, c.to_text,
       row_number() over (partition by c.integration_id, c.issue_id, k.kind order by c.created_at, c.history_id, c.item_index) as n
from work_issues i
join core.jira_issue_changes c
  on (c.client_id, c.integration_id, c.issue_id) = ((select core.etl_client_id()), i.integration_id, i.issue_id)
cross join lateral (
    select case lower(c.field)
        when 'sprint' then 'sprint' when 'story points' then 'points' when 'story point estimate' then 'points'
    end as kind
) k
where k.kind is not null;
create index on work_planning (integration_id, issue_id);
analyze work_planning;

create temporary table work_spells on commit drop as
with changes as (
    -- '38, 40' → '38, 40, 41': each change names all sprints before and after it
    select integration_id, issue_id, created_at, n,
           array(select m[1]::bigint from regexp_matches(from_id, '[0-9]{1,18}', 'g') m) as from_ids,
           array(select m[1]::bigint from regexp_matches(to_id, '[0-9]{1,18}', 'g') m) as to_ids
    from work_planning where kind = 'sprint'
), sets as (
    select i.integration_id, i.issue_id, 0 as n, i.created_at as from_at,
           coalesce(c.from_ids, array(select x::bigint from jsonb_array_elements_text(i.sprints) x where x ~ '^[0-9]{1,18}$')) as ids
    from work_issues i
    left join changes c on (c.integration_id, c.issue_id) = (i.integration_id, i.issue_id) and c.n = 1
    where c.n is not null or jsonb_typeof(i.sprints) = 'array'
    union all
    select integration_id, issue_id, n, created_at, to_ids from changes
), spells as (
    select integration_id, issue_id, ids, from_at,
           lead(from_at, 1, 'infinity') over (partition by integration_id, issue_id order by n) as to_at
    from sets
)
select distinct s.integration_id, s.issue_id, x as sprint_id, s.from_at, s.to_at
from spells s cross join unnest(s.ids) x;
create index on work_spells (integration_id, issue_id);
analyze work_spells;

-- The estimates of these issues, each from when until when it stood.
create temporary table work_estimates on commit drop as
with issues as (
    select distinct integration_id, issue_id from work_spells
), changes as (
    select integration_id, issue_id, created_at, n,
           case when from_text ~ '^-?[0-9]+(\.[0-9]+)?$' then from_text::numeric end as from_points,
           case when to_text ~ '^-?[0-9]+(\.[0-9]+)?$' then to_text::numeric end as to_points
    from work_planning where kind = 'points'
), points as (
    select i.integration_id, i.issue_id, 0 as n, '-infinity'::timestamptz as from_at,
           case when c.n is null then w.story_points else c.from_points end as points
    from issues i
    join work_issues w on (w.integration_id, w.issue_id) = (i.integration_id, i.issue_id)
    left join changes c on (c.integration_id, c.issue_id) = (i.integration_id, i.issue_id) and c.n = 1
    union all
    select integration_id, issue_id, n, created_at, to_points from changes
)
select integration_id, issue_id, points, from_at,
       lead(from_at, 1, 'infinity') over (partition by integration_id, issue_id order by n) as to_at
from points;
create index on work_estimates (integration_id, issue_id);
analyze work_estimates;

create temporary table work_wanted_sprint_items on commit drop as
with sprints as (
    select integration_id, id, started_at,
           case when state = 'closed' then coalesce(completed_at, ends_at, 'infinity') else 'infinity' end as ended_at
    from core.jira_sprints
    where client_id = (select core.etl_client_id()) and deleted_at is null and state <> 'future'
), memberships as (
    select p.integration_id, p.issue_id, p.sprint_id, s.ended_at, min(p.from_at) as joined_at,
           nullif(max(p.to_at), 'infinity') as left_at,
           coalesce(bool_or(p.from_at <= s.started_at and p.to_at > s.started_at), false) as in_at_start,
           coalesce(bool_or(p.from_at <= s.ended_at and (p.to_at > s.ended_at or p.to_at = 'infinity')), false) as in_at_end,
           case when bool_or(p.from_at <= s.started_at and p.to_at > s.started_at) then min(s.started_at)
                else min(p.from_at) filter (where p.from_at > s.started_at and p.from_at <= s.ended_at and p.to_at > p.from_at)
           end as entered_at
    from work_spells p
    left join sprints s on (s.integration_id, s.id) = (p.integration_id, p.sprint_id)
    group by p.integration_id, p.issue_id, p.sprint_id, s.ended_at
), judged as (
    select m.integration_id, m.issue_id, m.sprint_id,
           coalesce(bool_or(s.status_category = 'done' and s.entered_at <= m.entered_at
                            and (s.left_at is null or s.left_at > m.entered_at)), false) as done_at_entry,
           coalesce(bool_or(s.status_category = 'done' and s.entered_at <= m.ended_at
                            and (s.left_at is null or s.left_at > m.ended_at)), false) as done_at_end
    from memberships m
    left join work_stays s on (s.integration_id, s.issue_id) = (m.integration_id, m.issue_id)
    group by m.integration_id, m.issue_id, m.sprint_id
), estimated as (
    select m.integration_id, m.issue_id, m.sprint_id,
           max(e.points) filter (where e.from_at <= m.entered_at and e.to_at > m.entered_at) as entry_points,
           max(e.points) filter (where e.from_at <= m.ended_at and (e.to_at > m.ended_at or e.to_at = 'infinity')) as end_points
    from memberships m
    left join work_estimates e on (e.integration_id, e.issue_id) = (m.integration_id, m.issue_id)
    group by m.integration_id, m.issue_id, m.sprint_id
)
select (select core.etl_client_id()) as client_id, m.integration_id, m.sprint_id, m.issue_id,
       'jira:' || m.integration_id || ':' || m.issue_id as work_item_id, m.joined_at, m.left_at,
       counts.at_all and m.in_at_start as is_planned,
       counts.at_all and not m.in_at_start as is_added,
       counts.at_all and not m.in_at_end as is_removed,
       counts.at_all and m.in_at_end and j.done_at_end as is_completed,
       case when counts.at_all then e.entry_points end as entry_points,
       case when counts.at_all then e.end_points end as end_points
from memberships m
join judged j on (j.integration_id, j.issue_id, j.sprint_id) = (m.integration_id, m.issue_id, m.sprint_id)
join estimated e on (e.integration_id, e.issue_id, e.sprint_id) = (m.integration_id, m.issue_id, m.sprint_id)
cross join lateral (select m.entered_at is not null and not j.done_at_entry as at_all) counts;
create index on work_wanted_sprint_items (integration_id, issue_id, sprint_id);
analyze work_wanted_sprint_items;

-- The sprints whose sums may differ, before their items are written.
create temporary table work_wanted_sprints on commit drop as
select integration_id, sprint_id from work_moved_sprints
union
select integration_id, sprint_id from work_wanted_sprint_items
union
select i.integration_id, i.sprint_id
from work_touched t
join core.work_sprint_items i
  on (i.client_id, i.integration_id, i.issue_id) = ((select core.etl_client_id()), t.integration_id, t.issue_id);
analyze work_wanted_sprints;

delete from core.work_sprint_items t
using work_touched x
where (t.client_id, t.integration_id, t.issue_id) = ((select core.etl_client_id()), x.integration_id, x.issue_id)
  and not exists (
      select from work_wanted_sprint_items w
      where (w.integration_id, w.issue_id, w.sprint_id) = (t.integration_id, t.issue_id, t.sprint_id));

merge into core.work_sprint_items as t
using work_wanted_sprint_items as s
on t.client_id = (select core.etl_client_id())
   and (t.integration_id, t.sprint_id, t.issue_id) = (s.integration_id, s.sprint_id, s.issue_id)
when matched and row(t.joined_at, t.left_at, t.is_planned, t.is_added, t.is_removed, t.is_completed, t.entry_points, t.end_points)
    is distinct from row(s.joined_at, s.left_at, s.is_planned, s.is_added, s.is_removed, s.is_completed, s.entry_points,
                         s.end_points) then update set
    joined_at = s.joined_at, left_at = s.left_at, is_planned = s.is_planned, is_added = s.is_added,
    is_removed = s.is_removed, is_completed = s.is_completed, entry_points = s.entry_points, end_points = s.end_points
when not matched then insert
    (client_id, integration_id, sprint_id, issue_id, work_item_id, joined_at, left_at, is_planned, is_added, is_removed,
     is_completed, entry_points, end_points)
    values (s.client_id, s.integration_id, s.sprint_id, s.issue_id, s.work_item_id, s.joined_at, s.left_at, s.is_planned,
            s.is_added, s.is_removed, s.is_completed, s.entry_points, s.end_points);

delete from core.work_sprints t
using work_moved_sprints m
where (t.client_id, t.integration_id, t.id) = ((select core.etl_client_id()), m.integration_id, m.sprint_id)
  and not exists (
      select from core.jira_sprints s
      where (s.client_id, s.integration_id, s.id) = (t.client_id, t.integration_id, t.id) and s.deleted_at is null);

with sums as (
    select x.integration_id, x.sprint_id,
           (count(*) filter (where i.is_planned))::integer as planned_items,
           (count(*) filter (where i.is_added))::integer as added_items,
           (count(*) filter (where i.is_removed))::integer as removed_items,
           (count(*) filter (where i.is_completed))::integer as completed_items,
           (count(*) filter (where i.is_completed and i.is_planned))::integer as completed_planned_items,
           coalesce(sum(i.entry_points) filter (where i.is_planned), 0) as planned_points,
           coalesce(sum(i.entry_points) filter (where i.is_added), 0) as added_points,
           coalesce(sum(i.entry_points) filter (where i.is_removed), 0) as removed_points,
           coalesce(sum(i.end_points) filter (where i.is_completed), 0) as completed_points
    from work_wanted_sprints x
    left join core.work_sprint_items i
      on (i.client_id, i.integration_id, i.sprint_id) = ((select core.etl_client_id()), x.integration_id, x.sprint_id)
    group by x.integration_id, x.sprint_id
), wanted as (
    select s.client_id, s.integration_id, s.id, s.board_id, s.name, s.state, s.started_at, s.ends_at, s.completed_at,
           begun.planned_items, begun.planned_points, begun.added_items, begun.added_points, begun.removed_items,
           begun.removed_points, begun.completed_items, begun.completed_points, begun.completed_planned_items,
           begun.completed_planned_items::double precision / nullif(begun.planned_items, 0) as completion_ratio,
           case when begun.sprint_id is null then 'not_started' when begun.planned_items = 0 then 'nothing_planned' end
               as null_reason
    from work_wanted_sprints x
    join core.jira_sprints s
      on (s.client_id, s.integration_id, s.id) = ((select core.etl_client_id()), x.integration_id, x.sprint_id)
    left join sums begun
      on (begun.integration_id, begun.sprint_id) = (s.integration_id, s.id)
     and s.state <> 'future' and s.started_at is not null
    where s.deleted_at is null
)
merge into core.work_sprints as t
using wanted as s
on t.client_id = (select core.etl_client_id()) and (t.integration_id, t.id) = (s.integration_id, s.id)
when matched and row(t.*) is distinct from row(s.*) then update set
    board_id = s.board_id, name = s.name, state = s.state, started_at = s.started_at, ends_at = s.ends_at,
    completed_at = s.completed_at, planned_items = s.planned_items, planned_points = s.planned_points,
    added_items = s.added_items, added_points = s.added_points, removed_items = s.removed_items,
    removed_points = s.removed_points, completed_items = s.completed_items, completed_points = s.completed_points,
    completed_planned_items = s.completed_planned_items, completion_ratio = s.completion_ratio, null_reason = s.null_reason
when not matched then insert
    (client_id, integration_id, id, board_id, name, state, started_at, ends_at, completed_at, planned_items,
     planned_points, added_items, added_points, removed_items, removed_points, completed_items, completed_points,
     completed_planned_items, completion_ratio, null_reason)
    values (s.client_id, s.integration_id, s.id, s.board_id, s.name, s.state, s.started_at, s.ends_at, s.completed_at,
            s.planned_items, s.planned_points, s.added_items, s.added_points, s.removed_items, s.removed_points,
            s.completed_items, s.completed_points, s.completed_planned_items, s.completion_ratio, s.null_reason);
