"""Pulse as a provider of Airflow: connection types of its own. Airflow finds it by plugins/pulse_airflow-1.dist-info."""
