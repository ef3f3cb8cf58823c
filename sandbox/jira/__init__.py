"""Jira over the world: Cloud, Data Center and the agile API."""
