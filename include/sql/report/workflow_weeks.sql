-- One row per week and workflow: how often it ran and failed, and how long it took.
select client_id, week_start::timestamp as week_at, workflow_name, runs, failures, median_minutes, p85_minutes, total_minutes
from core.workflow_weeks;
