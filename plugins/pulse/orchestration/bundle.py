"""The bundle that Airflow reads client DAGs from: what core.integrations says, as the files of pulse.orchestration.files.

Airflow calls refresh() every few seconds in the dag-processor. If the database is down, refresh() raises; Airflow logs that
and keeps using the existing files, so an outage never removes a DAG. Task processes only read the files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.base import BaseDagBundle

from pulse import environ
from pulse.orchestration.files import files_of
from pulse.orchestration.specs import ClientDagSpec, read_specs
from pulse.warehouse.connect import connect


class EmptyDatabase(Exception):
    """The database answered and contains no clients, although DAG files of clients exist."""


class ClientBundle(BaseDagBundle):
    """DAG files written from the tables. `folder`: where they are, by default $PULSE_STATE/airflow/client_dags."""

    supports_versioning = False

    def __init__(self, *, folder: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._path = Path(folder) if folder else environ.STATE.get() / "airflow" / "client_dags"

    @property
    def path(self) -> Path:
        return self._path

    def get_current_version(self) -> None:
        return None

    def initialize(self) -> None:
        self._path.mkdir(parents=True, exist_ok=True)
        super().initialize()

    def refresh(self) -> None:
        """Write new and changed files and remove those of inactive clients. Raises if the database is down."""
        with self.lock():
            self._path.mkdir(parents=True, exist_ok=True)
            wanted = files_of(_active_specs())
            present = {path.relative_to(self._path).as_posix() for path in self._path.glob("*/*.json")}
            read = {path.name for path in self._path.glob("*.py")}
            if read and not wanted and not _any_client():
                raise EmptyDatabase(
                    "core.clients is empty, but there are DAGs of clients: is this the right database? The DAGs are kept."
                )
            # First the descriptions: Airflow may read a file as soon as it has changed.
            for name in present - wanted.keys():
                (self._path / name).unlink(missing_ok=True)
            for name, text in wanted.items():
                _write_if_changed(self._path / name, text)
            for name in read - wanted.keys():
                (self._path / name).unlink(missing_ok=True)


def _active_specs() -> list[ClientDagSpec]:
    with connect("pulse_admin") as conn:
        conn.read_only = True
        return read_specs(conn)


def _any_client() -> bool:
    with connect("pulse_admin") as conn:
        return conn.execute("select from core.clients limit 1").fetchone() is not None


def _write_if_changed(path: Path, text: str) -> None:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
