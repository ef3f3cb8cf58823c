"""How gunicorn serves Superset, under ./pulse up and in a container. Workers and address come from the command line."""

worker_class = "gthread"
threads = 8
timeout = 120
graceful_timeout = 10
control_socket_disable = True
# A dashboard's filters are in the address of the page.
limit_request_line = 0
limit_request_field_size = 0
