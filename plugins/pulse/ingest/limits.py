"""How much may come: by key, and by address for those without one. The counts are in memory, so each process has its own."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

BODY_BYTES = 2 * 2**20
BODY_SECONDS = 30.0
BATCH_RECORDS = 1000
# By key. A request counts as many units as it has records, and at least REQUEST_UNITS.
UNITS_PER_SECOND = 2000.0
UNITS_AT_ONCE = 10_000.0
REQUEST_UNITS = 10.0
# By address: requests whose key or signature was wrong.
FAILURES_PER_SECOND = 1.0
FAILURES_AT_ONCE = 30.0
# Requests that are worked on at once, and those that may wait for them.
WORKERS = 4
WAITING = 32
# Bodies of webhooks that are read at once: their signature can only be checked afterwards.
UNKNOWN_AT_ONCE = 16
MOST_ENTRIES = 10_000


@dataclass
class _Bucket:
    units: float
    at: float


class Allowance:
    """Token buckets by name: each fills at `rate` a second up to `most`."""

    def __init__(self, rate: float, most: float) -> None:
        self._rate = rate
        self._most = most
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def seconds_to_wait(self, name: str, units: float = 1.0) -> float:
        """0 if so much may be spent now."""
        with self._lock:
            return max(0.0, (units - self._bucket(name).units) / self._rate)

    def spend(self, name: str, units: float = 1.0) -> None:
        """Spend, also what is not there: then the next one waits longer."""
        with self._lock:
            self._bucket(name).units -= units

    def _bucket(self, name: str) -> _Bucket:
        now = time.monotonic()
        bucket = self._buckets.pop(name, None) or _Bucket(self._most, now)
        bucket.units = min(self._most, bucket.units + (now - bucket.at) * self._rate)
        bucket.at = now
        self._buckets[name] = bucket
        while len(self._buckets) > MOST_ENTRIES:
            self._buckets.popitem(last=False)
        return bucket
