alter table core.etl_runs drop column budget_remaining, drop column resume_at, drop column unfinished, drop column warnings;
drop table core.etl_census, core.custom_changes, core.custom_incidents, core.custom_deployments, core.jira_issue_links,
    core.jira_sprints, core.jira_boards, core.github_pull_request_files, core.github_workflow_jobs, core.github_tags;
drop table raw.jira_sprints, raw.jira_boards, raw.github_workflow_jobs, raw.github_tags;
drop index raw.github_deployments_open, raw.github_workflow_runs_open, raw.github_workflow_runs_repeated, raw.rejects_open;
