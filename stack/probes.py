"""Whether a server works, not only answers: what ./pulse status and the containers' health checks ask.

    python -I stack/probes.py airflow-scheduler http://airflow-api-server:8080

Standard library only; a container runs it as a file. The exit code is 0 when the process works, else the reason is printed.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from typing import Any

AIRFLOW = "/api/v2/monitor/health"
# Superset's own answer is 200 even when no page can be shown.
PAGES = {"superset": ("/health", "/login/"), "sandbox": ("/health",), "scheduler": ("/health",)}


def airflow_problem(name: str, answer: dict[str, Any]) -> str | None:
    """What Airflow's health page, whose status is always 200, says against one of its processes."""
    if name == "airflow-api-server":
        return None if answer["metadatabase"]["status"] == "healthy" else "cannot reach its database"
    status = answer[name.removeprefix("airflow-").replace("-", "_")]["status"]
    return None if status == "healthy" else f"no heartbeat (status {status})"


def problem(name: str, url: str) -> str | None:
    """What is wrong with a process whose server is at `url`; None when it works."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        for page in PAGES.get(name, (AIRFLOW,)):
            with opener.open(url + page, timeout=12) as answer:
                body = answer.read()
        return airflow_problem(name, json.loads(body)) if name.startswith("airflow-") else None
    except (OSError, ValueError, KeyError) as error:
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    found = problem(sys.argv[1], sys.argv[2])
    print(found or "works")
    sys.exit(found is not None)
