"""Which clients this Airflow serves, where several Airflows share the clients' database (PULSE_CLIENTS)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pulse import environ

SLUG = re.compile(r"[a-z][a-z0-9_]{1,39}")  # of a client: the end of its Variable's name


@dataclass(frozen=True)
class Served:
    """The clients that are named, all if none is; without those that are left out."""

    named: frozenset[str]
    left_out: frozenset[str]

    @classmethod
    def here(cls) -> Served:
        """What PULSE_CLIENTS says. Raises ValueError when it both names clients and leaves some out."""
        words = environ.CLIENTS.get()
        named = frozenset(word for word in words if not word.startswith("-"))
        left_out = frozenset(word.removeprefix("-") for word in words) - named
        if named and left_out:
            raise ValueError(
                f"{environ.CLIENTS.name} names clients ({', '.join(sorted(named))}) and leaves others out"
                f" ({', '.join(sorted(left_out))}): do one of the two"
            )
        return cls(named, left_out)

    def __contains__(self, slug: object) -> bool:
        return (not self.named or slug in self.named) and slug not in self.left_out
