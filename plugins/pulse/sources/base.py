"""The contract of a source: what it gets, what it returns, what it must guarantee.

A new integration type is a folder here with the files declaration.py (see pulse.source_types), client.py, queries.py or
endpoints.py, extract.py (which names its class as SOURCE) and records.py.
"""

from __future__ import annotations

import fnmatch
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Any

import psycopg
from psycopg.abc import Query, QueryNoTemplate

from pulse.errors import TooManyRejects, TooMuch
from pulse.sources import bounds
from pulse.warehouse.checkpoints import Checkpoint, read_checkpoint
from pulse.warehouse.connect import each_for_client, fetch_for_client
from pulse.warehouse.loader import Page, RawRow, Reject, load_pages
from pulse.warehouse.runs import RunStats

REJECTED_SHARE, REJECTED_ROWS = 0.05, 20
WARN_BEFORE = timedelta(days=21)


@dataclass(frozen=True)
class Integration:
    """A row of core.integrations with its client. Contains nothing secret."""

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
    """Login (Jira's e-mail address, a GitHub App's id) and token (or the App's private key); neither is ever shown.

    `mask` is called with every secret that is derived from them, so that logs hide it too.
    """

    login: str | None = field(repr=False)
    token: str = field(repr=False)
    mask: Callable[[str], None] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Scope:
    """What one mapped task extracts, such as a repository or project. `key` is its stable upstream id, `label` its name."""

    key: str
    label: str
    data: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The form that is stored."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Scope:
        """The inverse of to_json."""
        return cls(value["key"], value["label"], dict(value["data"]))


_UNNAMED = """
    update raw.rejects set replayed_at = now()
    where client_id = %(client)s and integration_id = %(integration)s and entity = %(entity)s and scope_key = %(scope)s
      and record_id is null and replayed_at is null
    returning id
"""


class Source(ABC):
    """Reads one integration of one client.

    `conn` is a connection as pulse_etl without an open transaction. `stats` is updated during the work, so a caller that
    passes its own also knows the costs of a run that fails.

    A subclass stores everything through `store`. Rows, rejects and checkpoints of a step are then one transaction, and
    the next run recovers from a crash at any point.
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
        """Create the upstream client; do not call it yet."""

    @abstractmethod
    def discover(self) -> list[Scope]:
        """Store what exists (repositories, projects, statuses). Return the scopes that have something to read, most
        recently changed first."""

    @abstractmethod
    def extract(self, scope: Scope) -> RunStats:
        """Bring one scope up to date from its checkpoints. Return what it cost and wrote.

        What it leaves for the next run, so that this one stays bounded, counts as `stats.unfinished`.
        """

    @abstractmethod
    def rebuild(self, entity: str, payload: Any, scope_key: str) -> Page:
        """Build a rejected record again, from its payload as received: a page with its row, or with its reject."""

    def replay_rejects(self) -> tuple[int, int]:
        """Read all open rejects of this integration again with the current code. Returns (stored, still rejected).

        A reject that can be read now is stored and closed. One that the upstream refused to deliver is left to the next
        extraction.
        """
        rejects = self.query(
            "select entity, scope_key, payload, record_id, is_stored_form from raw.rejects"
            " where client_id = %(client)s and integration_id = %(integration)s and replayed_at is null order by id"
        )
        stored = 0
        for entity, scope_key, payload, record_id, is_stored_form in rejects:
            try:
                record = json.loads(payload)
                if is_stored_form:  # it was stored, but the next stage could not type it
                    page = Page(entity, [RawRow(record_id, scope_key, record)])
                else:
                    page = self.rebuild(entity, record, scope_key)
            except ValueError:  # the payload is not JSON
                continue
            if page.rows and not page.rejects:
                self.store([page])
                stored += 1
        return stored, len(rejects) - stored

    def close_unnamed_rejects(self, entity: str, scope_key: str) -> None:
        """Close the rejects without a record id: every record of the scope is known to be stored."""
        self.query(_UNNAMED, entity=entity, scope=scope_key)

    def query(self, query: QueryNoTemplate, **params: Any) -> list[tuple[Any, ...]]:
        """All rows of a query of the client's stored data. The query may name %(client)s and %(integration)s."""
        keys = {"client": self.integration.client_id, "integration": self.integration.id}
        return fetch_for_client(self.conn, self.integration.client_id, query, {**keys, **params})

    def each(self, query: Query, **params: Any) -> Iterator[tuple[Any, ...]]:
        """Like `query`, for many rows: only some are in memory at a time."""
        keys = {"client": self.integration.client_id, "integration": self.integration.id}
        return each_for_client(self.conn, self.integration.client_id, query, {**keys, **params})

    def store(self, pages: Iterable[Page], checkpoints: Iterable[Checkpoint] = ()) -> None:
        """Store pages and checkpoints in one transaction and count them. Raises TooMuch after too many records."""
        result = load_pages(self.conn, self.integration.client_id, self.integration.id, pages, checkpoints)
        self.stats.rows_read += result.read
        self.stats.rows_written += result.written
        self.stats.rows_rejected += result.rejected
        self.stats.tables.update(result.tables)
        self.stats.held_bytes = self.stats.held_values = 0
        self.stats.tell()
        if self.stats.rows_read > bounds.RECORDS:
            raise TooMuch(
                client=self.integration.client_slug,
                source=self.integration.name,
                message=f"this run has read more than {bounds.RECORDS} records",
                remedy="they are stored, and the next run continues there; if it happens again, the upstream's pages do not"
                " end: ask its owner",
            )

    def warn_before_token_ends(self, expiry: str | None, today: date) -> None:
        """Warn an admin from three weeks before the token expires, because the source stops on that day.

        `expiry`: what the upstream or the declaration says, a text that begins with an ISO date; empty if nobody knows.
        """
        if not expiry:
            return
        name = self.integration.name
        try:
            last_day = date.fromisoformat(expiry[:10])
        except ValueError:
            self.stats.warn(f"the expiry of the token of {name} is not a date: write 'expires_on' as 2026-12-31")
            return
        if last_day - today <= WARN_BEFORE:
            self.stats.warn(
                f"the token of {name} {'expires' if last_day >= today else 'expired'} on {last_day}: create a new one and"
                f" put it into Connection {self.integration.connection_id}"
            )

    def checkpoint(self, stream: str, scope_key: str) -> Checkpoint:
        """The stored checkpoint of a stream."""
        return read_checkpoint(self.conn, self.integration.client_id, self.integration.id, stream, scope_key)

    def finish(self) -> RunStats:
        """The counts of this scope's run. Raises TooManyRejects if too many records could not be read (the rest is stored)."""
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
    """A page of an entity from upstream items.

    An item that `build` cannot read (KeyError, TypeError, ValueError and similar) becomes a reject with its payload and
    the reason; `identify` gives its record id.
    """
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
    """Raise KeyError for the first of the fields that is missing or null."""
    for name in fields:
        if item.get(name) is None:
            raise KeyError(name)


def selected(name: str, include: Iterable[str], exclude: Iterable[str] = ()) -> bool:
    """Whether a name matches one of the patterns (`*`, `shop-*`) and none of the excluded ones, ignoring case."""
    lowered = name.lower()
    matches = [fnmatch.fnmatchcase(lowered, pattern.lower()) for pattern in include]
    return any(matches) and not any(fnmatch.fnmatchcase(lowered, pattern.lower()) for pattern in exclude)
