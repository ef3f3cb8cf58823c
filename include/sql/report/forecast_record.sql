-- One row per client: how often what was given as 85 % sure came true, of the forecasts whose date has passed.
select
    r.client_id, c.name as client_name, r.decided, r.came_true, r.decided_later, r.plans, r.open, r.first_night,
    r.came_true::double precision / nullif(r.decided, 0) as share,
    case when r.plans < 5
        then format(core.say('%s of 5 plans whose date has passed: not enough yet to say how often the 85 %% come true'), r.plans)
        else format(core.say('What was 85 %% sure came true in %s of 100 cases: %s of %s forecasts for %s plans whose date has passed'),
                    core.percent(r.came_true::double precision / r.decided), r.came_true, r.decided, r.plans)
             || case when r.decided_later = r.decided then core.say(', all made afterwards from the history of the issues')
                     when r.decided_later > 0
                         then format(core.say(', %s of them made afterwards from the history of the issues'), r.decided_later)
                     else '' end
    end as record_text
from (
    select client_id, count(came_true) as decided, count(*) filter (where came_true) as came_true,
           count(came_true) filter (where is_made_later) as decided_later,
           count(distinct (scope_type, scope_id)) filter (where came_true is not null) as plans,
           count(*) filter (where came_true is null and null_reason is null) as open,
           min(made_on) filter (where not is_made_later) as first_night
    from core.forecasts
    group by client_id
) r
join core.clients c on c.id = r.client_id;
