"""The page Clients in Airflow: which client needs attention, why, and what to do."""
