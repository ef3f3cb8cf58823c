"""What Pulse adds to Superset. Superset's process imports it, and Airflow's never does."""
