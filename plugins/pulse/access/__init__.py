"""Who may do what in Airflow: two roles on top of Airflow's auth managers, and what stands before every request."""
