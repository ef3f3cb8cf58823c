"""What Airflow's API server shows to Prometheus, in a server process of its own: `python -m tests.support.metrics_server PORT`.

The databases come from the environment. With it comes the app that tools push to, whose answers it counts.
"""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI

from pulse.health import metrics
from pulse.ingest import app as ingest
from pulse.ingest import keys
from pulse.scrape import PATH


def main() -> None:
    """Serve until killed."""
    app = FastAPI()
    app.mount(PATH, metrics.create_app())
    app.mount(keys.PREFIX, ingest.create_app(lambda slug: True))
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")


if __name__ == "__main__":
    main()
