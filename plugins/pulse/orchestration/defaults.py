"""The settings that every task of every Pulse DAG starts from."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pulse.orchestration.retry import PULSE_RETRY_POLICY

# An alert for every failed task is one more entry: on_failure_callback.
DEFAULT_ARGS: dict[str, Any] = {
    "retries": 3,
    "retry_delay": timedelta(seconds=20),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=15),
    "retry_policy": PULSE_RETRY_POLICY,
    "execution_timeout": timedelta(hours=2),
}


def default_args(owner: str = "pulse") -> dict[str, Any]:
    """The `default_args` of a DAG. `owner`: the client's slug, or "pulse" for a DAG that serves all clients."""
    return {"owner": owner, **DEFAULT_ARGS}
