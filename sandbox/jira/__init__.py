"""Jira Cloud, Data Center and the agile API with the world's data."""
