"""The contract of a source: what it is given, what it yields, what it must keep.

A new integration type is a folder here with the files client.py, queries.py or endpoints.py, extract.py (which names its
class as SOURCE) and records.py.
"""

from __future__ import annotations

import fnmatch
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Any

import psycopg
from psycopg.abc import QueryNoTemplate

from pulse.errors import TooManyRejects
from pulse.warehouse.checkpoints import Checkpoint, read_checkpoint
from pulse.warehouse.connect import fetch_for_client
from pulse.warehouse.loader import Page, RawRow, Reject, load_pages
from pulse.warehouse.runs import RunStats

REJECTED_SHARE, REJECTED_ROWS = 0.05, 20
WARN_BEFORE = timedelta(days=21)


@dataclass(frozen=True)
class Integration:
    """A row of core.integrations with its client: nothing secret."""

    client_id: int
    client_slug: str
    id: int
    integration_type: str
    name: str
    base_url: str
    connection_id: str
    config: dict[str, Any]


@dataclass(frozen=True)
class Credential:
    """Login (Jira's e-mail address, a GitHub App's id) and token (or the App's private key); neither is shown. `mask` is told
    every further secret that comes of them, so that logs hide it."""

    login: str | None = field(repr=False)
    token: str = field(repr=False)
    mask: Callable[[str], None] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Scope:
    """A repository or project: what one mapped task extracts. `key` is its stable upstream id, `label` its name."""

    key: str
    label: str
    data: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As XCom carries it."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Scope:
        """The inverse of to_json."""
        return cls(value["key"], value["label"], dict(value["data"]))


class Source(ABC):
    """Reads one integration of one client. `conn` is a connection as pulse_etl without an open transaction; `stats` is
    counted up while it works, so that a caller that gives its own knows the costs of a run that fails, too.

    A subclass stores everything through `store`, so that rows, rejects and checkpoints of a step are one transaction and
    a crash at any point is made good by the next run.
    """

    def __init__(
        self,
        integration: Integration,
        credential: Credential,
        conn: psycopg.Connection[Any],
        stats: RunStats | None = None,
    ) -> None:
        self.integration = integration
        self.conn = conn
        self.stats = stats if stats is not None else RunStats()
        self.connect(credential)

    @abstractmethod
    def connect(self, credential: Credential) -> None:
        """Make the upstream client; no call yet."""

    @abstractmethod
    def discover(self) -> list[Scope]:
        """Store what is there (repositories, projects, statuses); return the scopes that have something to read, those
        that moved last first."""

    @abstractmethod
    def extract(self, scope: Scope) -> RunStats:
        """Bring one scope up to date from its checkpoints; returns what it cost and wrote. What it had to leave for the
        next run, so that this one stays bounded, it counts as `stats.unfinished`."""

    @abstractmethod
    def rebuild(self, entity: str, payload: Any, scope_key: str) -> Page:
        """The page of a record that was rejected, from its payload as it came: its row, or its reject again."""

    def replay_rejects(self) -> tuple[int, int]:
        """Read all open rejects of this integration again, with the code as it is now; (stored, still rejected).

        One that can be read is stored and closed. One that upstream would not give is left to the next extraction.
        """
        rejects = self.query(
            "select entity, scope_key, payload from raw.rejects"
            " where client_id = %(client)s and integration_id = %(integration)s and replayed_at is null order by id"
        )
        stored = 0
        for entity, scope_key, payload in rejects:
            try:
                page = self.rebuild(entity, json.loads(payload), scope_key)
            except ValueError:  # what came was no JSON
                continue
            if page.rows and not page.rejects:
                self.store([page])
                stored += 1
        return stored, len(rejects) - stored

    def query(self, query: QueryNoTemplate, **params: Any) -> list[tuple[Any, ...]]:
        """All rows of a query of the client's stored data. The query may name %(client)s and %(integration)s."""
        keys = {"client": self.integration.client_id, "integration": self.integration.id}
        return fetch_for_client(self.conn, self.integration.client_id, query, {**keys, **params})

    def store(self, pages: Iterable[Page], checkpoints: Iterable[Checkpoint] = ()) -> None:
        """Store pages and checkpoints in one transaction and count them."""
        result = load_pages(self.conn, self.integration.client_id, self.integration.id, pages, checkpoints)
        self.stats.rows_read += result.read
        self.stats.rows_written += result.written
        self.stats.rows_rejected += result.rejected

    def warn_before_token_ends(self, expiry: str | None, today: date) -> None:
        """Tell an admin three weeks ahead that the credential ends: the source stops that day. `expiry`: what the upstream or
        the declaration says of it, a text that begins with an ISO date; nothing: nobody knows."""
        if not expiry:
            return
        name = self.integration.name
        try:
            ends = date.fromisoformat(expiry[:10])
        except ValueError:
            self.stats.warn(f"the last day of the token of {name} is no date: write 'token_expires' as 2026-12-31")
            return
        if ends - today <= WARN_BEFORE:
            self.stats.warn(
                f"the token of {name} {'ends' if ends >= today else 'ended'} on {ends}: make a new one and put it into"
                f" Connection {self.integration.connection_id}"
            )

    def checkpoint(self, stream: str, scope_key: str) -> Checkpoint:
        """The stored checkpoint of a stream."""
        return read_checkpoint(self.conn, self.integration.client_id, self.integration.id, stream, scope_key)

    def finish(self) -> RunStats:
        """The counts of this scope's run. Raises TooManyRejects when too many records could not be read (all else is stored)."""
        rejected, read = self.stats.rows_rejected, self.stats.rows_read
        if rejected > REJECTED_ROWS and rejected > REJECTED_SHARE * read:
            raise TooManyRejects(
                client=self.integration.client_slug,
                source=self.integration.name,
                message=f"{rejected} of {read} records could not be read",
                remedy="look at raw.rejects (column reason); everything else is stored",
            )
        return self.stats


def page_of(
    entity: str,
    items: Iterable[Any],
    build: Callable[[Any], RawRow],
    scope_key: str = "",
    identify: Callable[[Any], str | None] = lambda item: str(item["id"]),
) -> Page:
    """A page of an entity. An item that `build` cannot read (KeyError, TypeError, ValueError and the like) becomes a
    reject with its payload and the reason; `identify` names it."""
    page = Page(entity)
    for item in items:
        try:
            page.rows.append(build(item))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            reason = f"missing field {error}" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"
            page.rejects.append(Reject(_identity(item, identify), scope_key, json.dumps(item), reason))
    return page


def _identity(item: Any, identify: Callable[[Any], str | None]) -> str | None:
    try:
        return identify(item)
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def require(item: dict[str, Any], *fields: str) -> None:
    """Raise KeyError for the first field that is missing or null."""
    for name in fields:
        if item.get(name) is None:
            raise KeyError(name)


def selected(name: str, include: Iterable[str], exclude: Iterable[str] = ()) -> bool:
    """Whether a name matches one of the patterns (`*`, `shop-*`), case-insensitively, and none of the excluded."""
    lowered = name.lower()
    matches = [fnmatch.fnmatchcase(lowered, pattern.lower()) for pattern in include]
    return any(matches) and not any(fnmatch.fnmatchcase(lowered, pattern.lower()) for pattern in exclude)
