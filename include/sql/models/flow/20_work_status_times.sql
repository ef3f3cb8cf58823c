-- Statements
-- core.work_status_times: one row an issue and status: hours of the visits that ended, how many visits, since when it is in
-- it now. What follows done_at counts 0 hours. Leaves work_stays (the touched issues' visits) to the files that follow.
-- Inputs: work_run, work_touched, work_wanted, work_moves.
create temporary table work_stays on commit drop as
with visits as (
    -- the status that it was created in, and each that it moved to
    select w.integration_id, w.issue_id, 0 as n, coalesce(m.from_status, w.status) as status,
           coalesce(m.from_category, w.status_category) as status_category, w.created_at as entered_at
    from work_wanted w
    left join work_moves m on (m.integration_id, m.issue_id) = (w.integration_id, w.issue_id) and m.n = 1
    union all
    select m.integration_id, m.issue_id, m.n, m.to_status, m.to_category, m.moved_at
    from work_moves m
)
select integration_id, issue_id, n, status, status_category, entered_at,
       lead(entered_at) over (partition by integration_id, issue_id order by n) as left_at
from visits;
create index on work_stays (integration_id, issue_id);
analyze work_stays (integration_id, issue_id);

create temporary table work_wanted_times on commit drop as
with timed as (
    select w.client_id, w.id as work_item_id, s.n, s.status, s.status_category, s.entered_at, s.left_at,
           case
               when s.entered_at >= w.done_at then 0
               when s.left_at is not null or w.done_at is not null
                   then core.elapsed_hours(s.entered_at, least(s.left_at, w.done_at), r.working)
           end as hours
    from work_stays s
    join work_wanted w on (w.integration_id, w.issue_id) = (s.integration_id, s.issue_id)
    cross join work_run r
)
select client_id, work_item_id, status, (array_agg(status_category order by n desc))[1] as status_category,
       sum(hours order by n) as hours, count(*)::integer as visits,
       max(entered_at) filter (where left_at is null) as entered_at
from timed
group by client_id, work_item_id, status;
create index on work_wanted_times (work_item_id, status);
analyze work_wanted_times (work_item_id, status);

delete from core.work_status_times t
using work_touched x
where (t.client_id, t.work_item_id) = ((select core.etl_client_id()), 'jira:' || x.integration_id || ':' || x.issue_id)
  and not exists (select from work_wanted_times w where (w.work_item_id, w.status) = (t.work_item_id, t.status));

merge into core.work_status_times as t
using work_wanted_times as s
on t.client_id = (select core.etl_client_id()) and (t.work_item_id, t.status) = (s.work_item_id, s.status)
when matched and row(t.status_category, t.hours, t.visits, t.entered_at)
    is distinct from row(s.status_category, s.hours, s.visits, s.entered_at) then update set
    status_category = s.status_category, hours = s.hours, visits = s.visits, entered_at = s.entered_at
when not matched then insert (client_id, work_item_id, status, status_category, hours, visits, entered_at)
    values (s.client_id, s.work_item_id, s.status, s.status_category, s.hours, s.visits, s.entered_at);
