-- One row per stage of the lead time over the last four complete weeks: its mean hours, and which stage takes the largest part of them.
--
-- Time in no stage is never the constraint: nobody can act on it.
with weeks as (
    select s.client_id, s.stage, s.stage_order, s.service_id, s.service_name, s.mean_hours * s.sample_size as hours, s.sample_size,
           s.period_at::date as week_start
    from report.lead_time_stages s
    join core.dora_state d on d.client_id = s.client_id
    where s.grain = 'week' and not s.is_running and s.sample_size > 0
      and s.period_at > d.computed_through - 34
), stages as (
    select client_id, stage, stage_order, sum(hours) / sum(sample_size) as mean_hours, sum(sample_size) as changes,
           min(week_start) as first_day, max(week_start) + 6 as last_day
    from weeks
    where service_id is null
    group by 1, 2, 3
), ranked as (
    select s.*, sum(mean_hours) over of_client as lead_time_hours,
           row_number() over (of_client order by stage = 'other', mean_hours desc, stage_order) = 1 and stage <> 'other'
               and mean_hours > 0 as is_constraint
    from stages s
    window of_client as (partition by client_id)
), services as (
    select client_id, stage, service_name, sum(hours) as hours, sum(sum(hours)) over of_stage as all_hours,
           count(*) over of_stage as services, row_number() over (of_stage order by sum(hours) desc, service_name) as place
    from weeks
    where service_id is not null
    group by 1, 2, service_id, 3
    window of_stage as (partition by client_id, stage)
)
select
    r.client_id, r.stage, r.stage_order, l.label as stage_label, r.mean_hours, core.display_text('hours', r.mean_hours) as mean_text,
    r.mean_hours / nullif(r.lead_time_hours, 0) as share,
    core.percent(r.mean_hours / nullif(r.lead_time_hours, 0)) || ' %' as share_text, r.lead_time_hours, r.changes, r.first_day, r.last_day, r.is_constraint,
    v.service_name,
    case when r.is_constraint then
        format(case when r.changes = 1
                    then core.say('%1$s takes the largest part of the lead time: %2$s %% of %3$s on average, over %4$s change delivered from %5$s to %6$s.')
                    else core.say('%1$s takes the largest part of the lead time: %2$s %% of %3$s on average, over %4$s changes delivered from %5$s to %6$s.')
               end, l.label, core.percent(r.mean_hours / r.lead_time_hours), core.display_text('hours', r.lead_time_hours),
               r.changes, core.day_text(r.first_day), core.day_text(r.last_day))
        || case when v.service_name is not null then ' ' || format(core.say('Of that time, %s %% is spent in %s.'),
                core.percent(v.hours / v.all_hours), v.service_name) else '' end
    end as sentence,
    case when r.is_constraint then
        '/pulse/rows/?metric=lead_time_for_changes&from=' || r.first_day || '&to=' || r.last_day + 1
        || coalesce('&service=' || core.url_part(v.service_name), '') end as rows_path
from ranked r
cross join lateral (select core.effect_label(r.stage) as label) l
left join services v
  on (v.client_id, v.stage) = (r.client_id, r.stage) and v.place = 1 and v.services > 1 and v.hours > 0 and v.all_hours > 0;
