"""Airflow as the launcher sees it: its settings, its REST API, runs, the demo clients and the dashboards."""
