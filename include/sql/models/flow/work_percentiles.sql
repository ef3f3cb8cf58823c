-- Table core.work_percentiles: the cycle time of the items done in the 90 days that end today, as what to expect of the next.
-- Grain: one row per scope: the client, and each project.
-- Per: scope_type
select s.scope_type
from work_run r cross join (values ('client'), ('project')) s (scope_type)
where r.is_full or r.is_new_day or exists (select from work_items_changed)
;
with recent as (
    select s.scope_type, s.scope_id, count(w.cycle_time_hours) as n,
           percentile_cont(array[0.5, 0.85, 0.95]) within group (order by w.cycle_time_hours) as p
    from settings r
    join core.work_items w on w.done_on > r.today - 90 and w.done_on <= r.today and not w.is_epic
    cross join lateral (values ('client', ''), ('project', w.project_key)) s (scope_type, scope_id)
    group by s.scope_type, s.scope_id
)
select c.scope_type, c.scope_id, x.p[1] as p50_hours, x.p[2] as p85_hours, x.p[3] as p95_hours,
       coalesce(t.n, 0) as sample_size, r.minimum_sample as needed, r.today as computed_on
from core.work_scopes c
cross join settings r
left join recent t using (scope_type, scope_id)
cross join lateral (select case when t.n >= r.minimum_sample then t.p end as p) x
