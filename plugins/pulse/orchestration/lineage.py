"""What a task of a client's DAG has read and written, kept until Airflow tells a lineage backend, if it has one.

Keeping it is cheap. pulse.orchestration.lineage_events turns it into what the backend is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

    from pulse.orchestration.specs import IntegrationSpec
    from pulse.warehouse.transforms import Stage, StepResult


@dataclass(frozen=True)
class Place:
    """A database: its server's host and port, and its name there."""

    host: str
    port: int
    database: str

    @classmethod
    def of(cls, conn: psycopg.Connection[Any]) -> Place:
        """The database of an open connection."""
        return cls(conn.info.host, conn.info.port, conn.info.dbname)


@dataclass
class Work:
    """What one execution of a task did, with the rows written by table."""

    loads: list[tuple[Place, IntegrationSpec, Mapping[str, int]]] = field(default_factory=list)
    steps: list[tuple[Place, Stage, StepResult]] = field(default_factory=list)
    publication: tuple[Place, Place, int] | None = None

    def loaded(self, place: Place, source: IntegrationSpec, tables: Mapping[str, int]) -> None:
        """Note that records of a source were read for these tables of raw."""
        self.loads.append((place, source, tables))

    def ran(self, place: Place, stage: Stage, steps: Iterable[StepResult]) -> None:
        """Note that a stage was committed."""
        self.steps += [(place, stage, step) for step in steps]

    def published(self, primary: Place, replica: Place, version: int) -> None:
        """Note that this version of the client's data is on the replica."""
        self.publication = (primary, replica, version)


_CURRENT: ContextVar[Work | None] = ContextVar("pulse_work", default=None)


def begin() -> Work:
    """Start the notes of a task's execution."""
    work = Work()
    _CURRENT.set(work)
    return work


def current() -> Work:
    """The notes of the task that runs here; outside of one, notes that nobody reads."""
    return _CURRENT.get() or Work()
