"""What the launcher asks of the running Airflow: its REST API, runs, the demo clients and the dashboards."""
