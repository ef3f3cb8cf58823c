"""Everything that knows Airflow: client DAGs, the bundle that writes their files, their tasks and their retries."""
