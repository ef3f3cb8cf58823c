-- One row per quality indicator as an executive reads it, and per other check that failed.
select
    q.client_id, q.check_name as indicator, coalesce(core.say(k.label), initcap(replace(q.check_name, '_', ' '))) as label, q.detail,
    q.value,
    case
        when q.value is null then '—'
        when q.denominator is not null then
            format(core.say('%s %% (%s of %s)'), core.percent(q.value), q.numerator, q.denominator)
        else to_char(q.value, 'FM9999990')
    end as display_text,
    q.numerator, q.denominator, case when q.status = 'no_data' then 'no_data' end as null_reason,
    coalesce(k.sort_order, 99) as sort_order, q.measured_at, q.severity, q.status, 
    case when q.check_name = 'reconciliation' and q.message <> ''
         then core.say('The published sample is not what the facts give: an error of ours, which your data team looks into.')
         else core.say(q.message) end as message
from core.quality_results q
left join (values
    ('deployments_with_changes', 'Deployments with changes', 1), ('changes_deployed', 'Merged changes deployed', 2),
    ('incidents_linked', 'Incidents linked to a deployment', 3), ('failures_guessed', 'Failures that rest on time alone', 4),
    ('stored_of_upstream', 'Records held of those upstream', 5), ('rejected_records', 'Records that could not be read', 6),
    ('negative_durations', 'Changes with impossible times', 7),
    ('trial_deployments', 'First deployments taken for trials', 8),
    ('deployments_without_commit', 'Deployments whose content is not known', 9)
) as k (check_name, label, sort_order) on k.check_name = q.check_name
where (k.check_name is not null or q.status = 'fail') and (q.check_name <> 'trial_deployments' or q.value > 0);
