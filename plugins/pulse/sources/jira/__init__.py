"""Jira Cloud: projects, issues and their complete changelogs."""
