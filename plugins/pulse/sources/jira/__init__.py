"""Jira Cloud and Data Center: projects, issues and their complete changelogs, boards and sprints."""
