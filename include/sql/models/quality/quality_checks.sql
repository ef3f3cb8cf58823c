-- Temporary table quality_checks: the quality checks. The setting quality.<check> is its severity.
-- Grain: one row per check.
-- measure: of a check of records, the share of 'good' or of 'bad' ones, or how 'many' are bad; it fails when good ones
-- are fewer than the threshold, or bad ones more. Shares of fewer than 20 records do not fail.
select *
from (
    values
    ('deployments_with_changes', 'good', 0.5,
     'Few production deployments brought a change that we know: do deployments name commits of the default branch?'),
    ('changes_deployed', 'good', null, ''),
    ('incidents_linked', 'good', null, ''),
    ('incidents_without_service', 'bad', null,
     'Incidents whose components and labels name no service count for the client only.'),
    ('deployments_without_commit', 'bad', 0.2,
     'Production deployments whose content is not known: their commit is neither in the default branch''s history, nor'
     ' on a branch that began there.'),
    ('changes_without_commit', 'bad', 0.2,
     'Merged changes whose merge commit is not in the default branch''s history cannot be found in a deployment.'),
    ('trial_deployments', 'many', null, ''),
    ('failures_guessed', 'bad', null, ''),
    ('negative_durations', 'many', 0,
     'Changes that were deployed before they began are left out: look at their commits'' dates.'),
    ('impossible_orders', 'many', 0,
     'Records that end before they begin: merged before opened, deployed before created, resolved before reported.'),
    ('future_deployments', 'many', 0,
     'Deployments that end in the future count when their day has come: is a clock wrong, or a time zone?'),
    ('orphans', 'many', 0,
     'Records were read of a repository or project that is not stored itself: they wait, and are in no number.'),
    ('rejected_records', null, 0, 'Records that could not be read: the DAG replay_rejects reads them again.'),
    ('stored_of_upstream', null, 0.98,
     'The last census found records upstream that were missing here; they have been fetched since.'),
    ('sudden_jump', null, 3,
     'The last 30 days are three times the 30 days before, or a third: is a source missing, or a rule?'),
    ('facts_lost', null, 0.5,
     'More than half of what was published would vanish at once.'
     ' If that is right, set quality.facts_lost to "warn" for one run.'),
    ('reconciliation', null, 0,
     'The last 90 days'' published sample is %s, the facts give %s: an error of ours.'
     ' Trigger the client''s DAG with recompute.')
) k (check_name, measure, threshold, message)
