"""WSGI: an application that answers at once, measured as Superset is. Its status is the query string, or 200."""

from __future__ import annotations

from typing import Any

from pulse_superset.measure import Measured


def answer(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """One answer; which process gave it."""
    if environ["QUERY_STRING"] == "broken":
        raise RuntimeError("broken")
    start_response(f"{environ['QUERY_STRING'] or '200'} Fine", [("Content-Type", "text/plain")])
    return [str(environ.get("gunicorn.socket") is not None).encode()]


app = Measured(answer)
