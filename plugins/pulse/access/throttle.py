"""Slows guessing down: failed sign-ins by account, by address, and by both together.

Only somebody who guesses waits. The counts are in memory, so each worker of the server has its own; they bound, and do not
replace, long passwords.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator

REMEMBERED_SECONDS = 900.0
LONGEST_WAIT_SECONDS = 60.0
MOST_ENTRIES = 20_000
# Failures that cost nothing. Afterwards the wait doubles with each one. An account that somebody else guesses at stays open
# to its owner at another address for long, and so does an address that many people share.
FREE = {"both": 5, "account": 50, "address": 100}

Key = tuple[str, str]


class Throttle:
    """Who failed how often, lately."""

    def __init__(self) -> None:
        self._failures: OrderedDict[Key, tuple[int, float]] = OrderedDict()

    def seconds_to_wait(self, account: str, address: str) -> float:
        """0 if a sign-in may be tried now."""
        return max(self._wait(key) for key in _keys(account, address))

    def failed(self, account: str, address: str) -> None:
        """Count a failed sign-in."""
        for key in _keys(account, address):
            count, _ = self._known(key)
            self._failures[key] = count + 1, time.monotonic()
            self._failures.move_to_end(key)
        while len(self._failures) > MOST_ENTRIES:
            self._failures.popitem(last=False)

    def succeeded(self, account: str, address: str) -> None:
        """Forget the failures of this account at this address."""
        self._failures.pop(next(_keys(account, address)), None)

    def _wait(self, key: Key) -> float:
        count, at = self._known(key)
        over = count - FREE[key[0]]
        if over < 0:
            return 0.0
        return max(0.0, at + min(2.0 ** min(over, 10), LONGEST_WAIT_SECONDS) - time.monotonic())

    def _known(self, key: Key) -> tuple[int, float]:
        count, at = self._failures.get(key, (0, 0.0))
        return (count, at) if time.monotonic() - at < REMEMBERED_SECONDS else (0, 0.0)


def _keys(account: str, address: str) -> Iterator[Key]:
    name = account.strip().lower()[:200]
    yield "both", f"{name} {address}"
    yield "account", name
    yield "address", address
