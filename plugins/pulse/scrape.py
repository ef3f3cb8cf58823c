"""Who may read metrics: Prometheus, with this installation's own token. Superset's image has this file too."""

from __future__ import annotations

import hmac

from pulse import environ

PATH = "/pulse/metrics"


def may_scrape(authorization: str | None) -> bool:
    """Whether the header `Authorization` brings the token. Never without one in the environment."""
    token = environ.METRICS_TOKEN.given()
    if not token:
        return False
    return hmac.compare_digest((authorization or "").encode(), f"Bearer {token}".encode())
