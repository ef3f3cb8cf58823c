"""How far the replica is behind, from positions in the WAL that were seen at several moments."""

from __future__ import annotations

import time
from collections.abc import Callable

REMEMBERED = 1000


class Lag:
    """Remembers where the primary was. `clock` counts seconds.

    The age of the replica's last transaction would not do: on an idle primary it grows although nothing is missing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: list[tuple[int, float]] = []

    def measure(self, written: int, replayed: int) -> tuple[int, float]:
        """Bytes and seconds that the replica is behind. `written`, `replayed`: the servers' positions, the primary's first.

        The seconds are since the primary was last seen at a position that the replica has. Before there is such a moment,
        they are since the first look: at least so many.
        """
        now = self._clock()
        if self._seen and self._seen[-1][0] > written:
            self._seen.clear()  # another primary, or one that was restored
        self._seen.append((written, now))
        while len(self._seen) > 1 and self._seen[1][0] <= replayed:
            del self._seen[0]
        if len(self._seen) > REMEMBERED:
            del self._seen[1]
        behind = max(0, written - replayed)
        return behind, now - self._seen[0][1] if behind else 0.0
