-- One row per client: what failure cost in the 30 days up to today, in failed releases, hours of recovery and unplanned deployments.
with counted as (
    select m.client_id, m.period_start, m.period_end,
           max(m.numerator) filter (where m.metric_type = 'change_failure_rate') as failed,
           max(m.denominator) filter (where m.metric_type = 'change_failure_rate') as releases,
           max(m.guessed) filter (where m.metric_type = 'change_failure_rate') as guessed,
           max(m.numerator) filter (where m.metric_type = 'deployment_rework_rate') as unplanned
    from core.dora_state t
    join core.dora_metrics m
      on (m.client_id, m.grain, m.scope_type, m.scope_id, m.calculation_date)
       = (t.client_id, 'rolling_30d', 'client', '', t.computed_through)
    where m.metric_type in ('change_failure_rate', 'deployment_rework_rate')
    group by 1, 2, 3
), recovered as (
    select c.client_id, count(d.recovery_hours) as recovered, sum(d.recovery_hours::numeric)::double precision as recovery_hours
    from counted c
    join core.deployments d
      on d.client_id = c.client_id and d.recovered_on >= c.period_start and d.recovered_on < c.period_end and d.counts and d.failed_change
    group by 1
)
select
    c.client_id, c.period_start, c.period_end, c.failed, c.releases, c.guessed, coalesce(r.recovered, 0) as recovered,
    coalesce(r.recovery_hours, 0) as recovery_hours, c.unplanned,
    case when c.releases > 0 then
        concat_ws(' ',
            case when c.failed = 0
                     then format(core.say('None of %s releases failed in the 30 days up to %s.'), c.releases, core.day_text(c.period_end - 1))
                 when c.guessed > 0
                     then format(core.say('%s of %s releases failed in the 30 days up to %s (%s of these failures a guess).'),
                                 c.failed, c.releases, core.day_text(c.period_end - 1), c.guessed)
                 else format(core.say('%s of %s releases failed in the 30 days up to %s.'), c.failed, c.releases,
                             core.day_text(c.period_end - 1)) end,
            case when r.recovered = 1
                     then format(core.say('Recovery took %s in total, in %s case.'), core.display_text('hours', r.recovery_hours), r.recovered)
                 when r.recovered > 1
                     then format(core.say('Recovery took %s in total, in %s cases.'), core.display_text('hours', r.recovery_hours), r.recovered)
            end,
            case when c.unplanned = 1 then format(core.say('%s deployment was unplanned: it repaired or undid something.'), c.unplanned)
                 when c.unplanned > 1
                     then format(core.say('%s deployments were unplanned: they repaired or undid something.'), c.unplanned) end)
    end as sentence,
    '/pulse/rows/?metric=change_failure_rate&from=' || c.period_start || '&to=' || c.period_end as rows_path
from counted c
left join recovered r on r.client_id = c.client_id;
