-- Table core.work_percentiles: how long what was done in the 90 days that end today took, as what to expect of the next.
-- Grain: one row per scope: the client's items, those of each project, and the client's reviewed pull requests.
-- Per: scope_type
select s.scope_type
from work_run r cross join settings t cross join (values ('client'), ('project'), ('pull_requests')) s (scope_type)
where r.is_full or r.is_new_day or t.is_full
   or case s.scope_type when 'pull_requests' then exists (select from changes_changed)
                        else exists (select from work_items_changed) end
;
with recent as (
    select s.scope_type, s.scope_id, w.cycle_time_hours as hours
    from settings r
    join core.work_items w on w.done_on > r.today - 90 and w.done_on <= r.today and not w.is_epic
    cross join lateral (values ('client', ''), ('project', w.project_key)) s (scope_type, scope_id)
    where w.cycle_time_hours is not null
    union all
    -- Of a monorepo, a pull request counts once.
    select 'pull_requests', '', c.hours
    from (
        select distinct c.integration_id, c.pull_request_id, c.pickup_hours + c.review_hours as hours
        from settings r
        join core.changes c on c.merged_on > r.today - 90 and c.merged_on <= r.today
        where c.pull_request_id is not null and not c.is_bot and c.is_reviewed
    ) c
    where c.hours is not null
), scopes as (
    select scope_type, scope_id from scope_days where family = 'work'
    union all
    select 'pull_requests', '' where exists (select from core.changes)
)
select c.scope_type, c.scope_id, x.p[1] as p50_hours, x.p[2] as p85_hours, x.p[3] as p95_hours, t.n as sample_size,
       r.minimum_sample as needed, r.today as computed_on
from scopes c
cross join settings r
cross join lateral (
    select count(*) as n, percentile_cont(array[0.5, 0.85, 0.95]) within group (order by d.hours) as p
    from recent d
    where (d.scope_type, d.scope_id) = (c.scope_type, c.scope_id)
) t
cross join lateral (select case when t.n >= r.minimum_sample then t.p end as p) x
