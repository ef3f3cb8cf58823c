drop table core.jira_issue_changes, core.jira_issues, core.jira_statuses, core.jira_projects;
drop table core.github_issues, core.github_releases, core.github_workflow_runs, core.github_deployment_statuses,
    core.github_deployments, core.github_commits, core.github_pull_request_events, core.github_pull_request_reviews,
    core.github_pull_request_commits, core.github_pull_requests, core.github_repositories;
drop table raw.rejects, raw.http_json_records, raw.jira_changelogs, raw.jira_issues, raw.jira_statuses,
    raw.jira_projects, raw.github_issues, raw.github_releases, raw.github_workflow_runs, raw.github_deployments,
    raw.github_commits, raw.github_pull_requests, raw.github_repositories;
