"""The version of the data that an answer shows: it is a part of the key under which Superset caches the answer.

A stage that wrote something raises the version of its client, so a publication turns over the cache of its client only, and a
run that found nothing new turns over nothing. The version is read from the replica: whoever sees it sees its data.
"""

from __future__ import annotations

import logging
import threading
import time

from pulse_superset import accounts

KEPT_SECONDS = 3
# What these show changes by the clock and with every run, whether it wrote something or not.
LIVE = ("freshness", "portfolio", "operations_")
LIVE_SECONDS = 60

logger = logging.getLogger(__name__)
_known: dict[frozenset[int], tuple[float, str]] = {}
_lock = threading.Lock()


def cache_key(dataset: str, clients: frozenset[int]) -> str:
    """The version of what these clients (none: all of them) see of a dataset. While no database answers, the last known."""
    live = f" {int(time.time() // LIVE_SECONDS)}" if dataset.startswith(LIVE) else ""
    with _lock:
        known = _known.get(clients)
    if known is None or time.monotonic() - known[0] >= KEPT_SECONDS:
        try:
            known = (time.monotonic(), accounts.data_version(sorted(clients)))
        except accounts.DatabaseAway as away:
            logger.warning("the version of the data cannot be read: %s", away)
            known = known or (time.monotonic(), "unknown")
        with _lock:
            _known[clients] = known
    return f"data {known[1]}{live}"


def forget() -> None:
    """Read the versions anew at the next question."""
    with _lock:
        _known.clear()
