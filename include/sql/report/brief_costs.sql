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
        case when c.failed = 0 then 'None of ' || c.releases || ' releases failed in the 30 days up to '
             else c.failed || ' of ' || c.releases || ' releases failed in the 30 days up to ' end
        || to_char(c.period_end - 1, 'FMDD Mon YYYY')
        || case when c.guessed > 0 then ' (' || c.guessed || ' of these failures a guess)' else '' end || '.'
        || case when r.recovered > 0 then ' Recovery took ' || core.display_text('hours', r.recovery_hours) || ' in total, in '
                || r.recovered || case r.recovered when 1 then ' case.' else ' cases.' end else '' end
        || case when c.unplanned > 0 then ' ' || c.unplanned
                || case c.unplanned when 1 then ' deployment was unplanned: it repaired or undid something.'
                                    else ' deployments were unplanned: they repaired or undid something.' end else '' end
    end as sentence,
    '/pulse/rows/?metric=change_failure_rate&from=' || c.period_start || '&to=' || c.period_end as rows_path
from counted c
left join recovered r on r.client_id = c.client_id;
