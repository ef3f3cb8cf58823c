"""How gunicorn serves Superset, under ./pulse up and in a container. Workers and address come from the command line."""

import os
import resource
import shutil

worker_class = "gthread"
# Most of them wait for their turn: pulse_superset.share says how many run at once.
threads = 64
timeout = 120
graceful_timeout = 10
control_socket_disable = True
forwarded_allow_ips = ""  # pulse_superset.edge decides
limit_request_line = 8190  # gunicorn's largest; a dashboard's filters are behind a key, not in the address
limit_request_fields = 60
limit_request_field_size = 8190

MEMORY_BYTES = 3 << 30  # of a worker's data: a request that would need more fails by itself
RECYCLED_BYTES = 900 << 20  # a worker that has grown so large is replaced after its request


def on_starting(server):  # type: ignore[no-untyped-def]
    """A folder in which all workers count their requests: pulse_superset.measure. Counts begin at zero with the server."""
    folder = os.path.join(os.environ["PULSE_STATE"], "superset", "metrics")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder


def post_fork(server, worker):  # type: ignore[no-untyped-def]
    """Bound the memory of a worker."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))


def post_worker_init(worker):  # type: ignore[no-untyped-def]
    """Start the threads that end clients' queries when they are too old, and ask ahead what clients will ask."""
    from pulse_superset import warming, watchdog

    watchdog.start()
    warming.start(worker.wsgi)


def post_request(worker, req, environ, resp):  # type: ignore[no-untyped-def]
    """Let a worker end that has grown too large; gunicorn starts another one."""
    with open("/proc/self/statm", encoding="ascii") as file:
        pages = int(file.read().split()[1])
    if pages * resource.getpagesize() > RECYCLED_BYTES:
        worker.log.info("this worker has grown to %s MB and is replaced", pages * resource.getpagesize() >> 20)
        worker.alive = False
