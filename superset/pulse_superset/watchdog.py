"""Ends clients' queries that are older than any time-out allows.

The time-out of a client's login is a setting that a session of it may lift, so it is no wall against somebody who got hold of
the login. This is one: a thread of each worker asks the replica to end what is too old (core.end_long_queries).
"""

from __future__ import annotations

import logging
import threading

from pulse_superset import accounts

LONGEST_SECONDS = 45  # the time-out of clients' logins is 30
EVERY_SECONDS = 10

logger = logging.getLogger(__name__)


def start() -> threading.Event:
    """Begin to watch, in a thread that ends with its process, or when the event is set."""
    stop = threading.Event()
    threading.Thread(target=_watch, args=(stop,), name="watchdog", daemon=True).start()
    return stop


def end_long_queries() -> int:
    """End what is too old on the replica; how many there were. Raises DatabaseAway."""
    with accounts.replica.transaction() as cursor:
        cursor.execute("select core.end_long_queries(%s)", (LONGEST_SECONDS,))
        return int(cursor.fetchone()[0])


def _watch(stop: threading.Event) -> None:
    while not stop.wait(EVERY_SECONDS):
        try:
            ended = end_long_queries()
        except Exception as error:  # an installation that is being upgraded; the next time it may work
            logger.warning("long queries could not be ended: %s", error)
        else:
            if ended:
                logger.warning(
                    "%s queries of clients' logins were older than %s s and were ended", ended, LONGEST_SECONDS
                )
