"""Records and webhooks that tools send: a small app beside Airflow's API, and the keys that open it."""
