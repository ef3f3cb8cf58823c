-- Temporary table cells: the published numbers to compute.
-- Grain: one row per family of metrics, grain, scope and period.
-- Those in which a fact has moved; those of periods that were running at the last run or began since; and all of a scope that
-- is recomputed.
-- has_stages: a lead time with its stages, which have no past windows. has_reasons: where nothing was counted the number is
-- null, with the reason; elsewhere there is no number then.
-- Index: (family)
with family_grains as (
    -- days: of a rolling window
    select k.family, g.grain, g.days, bool_or(k.has_past_windows) as has_past_windows
    from core.metric_catalogue k
    cross join (
        values ('day', null), ('week', null), ('month', null), ('rolling_7d', 7), ('rolling_30d', 30), ('rolling_90d', 90)
    ) g (grain, days)
    where not (k.family = 'pull_requests' and g.grain in ('day', 'rolling_7d'))
      and not (k.family = 'work' and g.grain in ('day', 'rolling_7d', 'rolling_90d'))
    group by k.family, g.grain, g.days
), scopes as (
    select d.*, r.family is not null as is_recomputed
    from scope_days d
    left join recomputed_scopes r on (r.scope_type, r.scope_id, r.family) = (d.scope_type, d.scope_id, d.family)
), wanted as (
    -- of moved days
    select m.family, g.grain, m.scope_type, m.scope_id,
           core.period_start(g.grain, m.day, s.week_shift) as period_start
    from moved_days m
    cross join settings s
    join family_grains g on g.family = m.family and g.days is null
    union
    select m.family, g.grain, m.scope_type, m.scope_id, e.end_day - g.days + 1
    from moved_days m
    join family_grains g on g.family = m.family and g.days > 0
    join rolling_ends e
      on e.is_client = (m.scope_type = 'client' and m.family <> 'work') and e.end_day between m.day and m.day + g.days - 1
     and (e.is_latest or g.has_past_windows)
    union
    -- of periods that were running at the last run or began since, and of recomputed scopes
    select family, 'day', scope_type, scope_id, day from fact_days
    union
    select d.family, g.grain, d.scope_type, d.scope_id, p::date
    from scopes d
    cross join settings s
    join family_grains g on g.family = d.family and g.days is null
    cross join lateral generate_series(
        core.period_start(g.grain, case when not d.is_recomputed then s.computed_through
                                        when d.scope_type in ('client', 'project') or g.grain = 'month' then d.first_day
                                        else greatest(d.first_day, s.today - 400) end, s.week_shift),
        s.today, ('1 ' || g.grain)::interval) p
    where case when d.is_recomputed then g.grain <> 'day' or (d.scope_type, d.family) = ('client', 'deployments')
               else s.computed_through < s.today end
    union
    select d.family, g.grain, d.scope_type, d.scope_id, e.end_day - g.days + 1
    from scopes d
    cross join settings s
    join family_grains g on g.family = d.family and g.days > 0
    join rolling_ends e
      on e.is_client = (d.scope_type = 'client' and d.family <> 'work') and (e.is_latest or g.has_past_windows)
     and case when d.is_recomputed then e.end_day >= d.first_day
              else e.end_day >= s.computed_through or e.is_compared end
    where d.is_recomputed or s.computed_through < s.today
)
select
    (row_number() over ())::integer as cell_id, w.family, w.grain, d.scope_no, w.scope_type, w.scope_id, w.period_start,
    e.period_end, e.period_end - 1 as calculation_date,
    e.period_end > s.today + (w.grain like 'rolling%')::integer as is_running, d.kind_day, d.success_day,
    least(e.period_end, s.today + 1) as until_day,
    w.grain in ('week', 'month')
        or w.grain in ('rolling_30d', 'rolling_90d')
           and exists (select from rolling_ends r
                       where r.is_latest and r.is_client = (w.scope_type = 'client') and r.end_day = e.period_end - 1)
        as has_stages,
    w.scope_type = 'client' and w.grain <> 'day' as has_reasons
from wanted w
cross join settings s
join scope_days d on (d.scope_type, d.scope_id, d.family) = (w.scope_type, w.scope_id, w.family)
cross join lateral (
    select case w.grain when 'day' then w.period_start + 1 when 'week' then w.period_start + 7
                when 'month' then (w.period_start + interval '1 month')::date
                else w.period_start + split_part(rtrim(w.grain, 'd'), '_', 2)::integer end as period_end
) e
where e.period_end > d.first_day and w.period_start <= s.today
  and (w.scope_type in ('client', 'project') or w.grain not in ('day', 'week')
       or e.period_end > s.today - case w.grain when 'day' then 91 when 'week' then 400 end)
