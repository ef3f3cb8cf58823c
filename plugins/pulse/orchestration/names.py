"""The names of the tasks that follow the extraction in a client's DAG."""

NORMALISE = "normalise_records"
COMPUTE = "compute_dora"
PUBLISH = "publish_dashboards"
CONTINUE = "continue_backfill"
WATCH = "watch_sources"
AFTER_EXTRACTION = (NORMALISE, COMPUTE, PUBLISH, CONTINUE, WATCH)
