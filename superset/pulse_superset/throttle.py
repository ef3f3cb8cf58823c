"""Guessing a password slows down; nobody is locked out.

Every try is counted before the password is looked at, in one statement, so that a hundred tries at once are a hundred tries.
The first few of an account are free. After that each one has to wait, twice as long each time, up to a minute; what comes too
early is refused without looking at the password. Tries count by account, whichever of its names is used. Addresses from which
the person has logged in before have a count of their own: somebody elsewhere who guesses cannot keep the person out. All
tries that fail from one address, whatever the account, wait a moment each once there are many.
"""

from __future__ import annotations

import hashlib
import math
import unicodedata
from dataclasses import dataclass

from pulse.languages import mark
from pulse_superset import store

TOO_MANY = mark("Too many tries. Wait {seconds} seconds and try again.")
FREE_TRIES = 5
LONGEST_WAIT_SECONDS = 60
FREE_TRIES_OF_ADDRESS = 60
WAIT_OF_ADDRESS_SECONDS = 1
FORGOTTEN_AFTER_SECONDS = 3600
KNOWN_DAYS = 90


@dataclass(frozen=True)
class Try:
    """A login that was tried: by whom, from where, and how long it has to wait (0: it may go on)."""

    account: str
    address: str
    wait_seconds: int

    def succeeded(self) -> None:
        """The password was right: forget the count, and remember the address."""
        known = _known_key(self.account, self.address)
        for key in (_here_key(self.account, self.address), _account_key(self.account)):
            store.run("delete from pulse_login_attempts where key = :key", key=key)
        store.run(
            "update pulse_login_attempts set failures = failures - 1 where key = :key and failures > 0",
            key=_hash("from", self.address),
        )
        store.run(
            "delete from pulse_known_addresses where seen_at < now() - make_interval(days => :days)", days=KNOWN_DAYS
        )
        store.run(
            "insert into pulse_known_addresses (key) values (:key) on conflict (key) do update set seen_at = now()",
            key=known,
        )


def name_of(username: str) -> str:
    """A name as typed, without the differences that do not make another account."""
    return unicodedata.normalize("NFKC", username).strip().casefold()


def begin(account: str, address: str) -> Try:
    """Count a try for an account (any text that identifies it) from an address, and say whether it has to wait."""
    if store.run("select 1 from pulse_known_addresses where key = :key", key=_known_key(account, address)):
        return Try(account, address, _claim(_here_key(account, address), FREE_TRIES, LONGEST_WAIT_SECONDS))
    wait = _claim(_account_key(account), FREE_TRIES, LONGEST_WAIT_SECONDS)
    if wait == 0:
        wait = _claim(_hash("from", address), FREE_TRIES_OF_ADDRESS, WAIT_OF_ADDRESS_SECONDS)
    return Try(account, address, wait)


def ask(address: str) -> int:
    """Count a "Forgot password?" from an address: 0, or the seconds to wait. Mails to one person have their own bound."""
    return _claim(_hash("forgot", address), FREE_TRIES, LONGEST_WAIT_SECONDS)


def _claim(key: str, free: int, longest: int) -> int:
    """Take the next try of a key: 0, or the seconds until there is one."""
    store.run(
        "delete from pulse_login_attempts where changed_at < now() - make_interval(secs => :old)",
        old=FORGOTTEN_AFTER_SECONDS,
    )
    claimed = store.run(
        "insert into pulse_login_attempts as t (key, failures, next_at) values (:key, 1, now())"
        " on conflict (key) do update set failures = t.failures + 1, changed_at = now(), next_at = now()"
        " + make_interval(secs => case when t.failures + 1 < :free then 0"
        " else least(power(2, least(t.failures + 1 - :free, 20)), :longest) end)"
        " where t.next_at <= now() returning failures",
        key=key,
        free=free,
        longest=longest,
    )
    if claimed:
        return 0
    left = store.run("select extract(epoch from next_at - now()) from pulse_login_attempts where key = :key", key=key)
    return max(1, math.ceil(left[0][0])) if left else 0


def _account_key(account: str) -> str:
    return _hash("account", account)


def _here_key(account: str, address: str) -> str:
    return _hash("here", account, address)


def _known_key(account: str, address: str) -> str:
    return _hash("known", account, address)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
