"""The bundle that Airflow reads client DAGs from: one small file per active row of core.clients.

Airflow calls refresh() every few seconds in the dag-processor. When the database is away it raises, Airflow logs that and
goes on with the files that are there: an outage never takes a DAG away. Task processes only read the files.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.base import BaseDagBundle

from pulse.orchestration.specs import ClientDagSpec, read_specs
from pulse.warehouse.connect import connect


class EmptyDatabase(Exception):
    """The database answered, but knows no client at all although there are files of clients."""


class ClientBundle(BaseDagBundle):
    """DAG files made from the tables. `folder`: where they are, by default $PULSE_STATE/airflow/client_dags."""

    supports_versioning = False

    def __init__(self, *, folder: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        state = os.environ.get("PULSE_STATE") or Path(__file__).resolve().parents[3] / ".pulse"
        self._path = Path(folder or Path(state) / "airflow" / "client_dags")

    @property
    def path(self) -> Path:
        return self._path

    def get_current_version(self) -> None:
        return None

    def initialize(self) -> None:
        self._path.mkdir(parents=True, exist_ok=True)
        super().initialize()

    def refresh(self) -> None:
        """Write new and changed files, remove those of clients that are inactive. Raises when the database is away."""
        with self.lock():
            self._path.mkdir(parents=True, exist_ok=True)
            wanted = {f"{spec.slug}.py": stub(spec) for spec in _active_specs()}
            present = {path.name: path for path in self._path.glob("*.py")}
            if present and not wanted and not _any_client():
                raise EmptyDatabase(
                    f"core.clients is empty, but {len(present)} client DAGs exist: is this the right database?"
                    " The DAGs stay as they are."
                )
            for name, text in wanted.items():
                _write_if_changed(self._path / name, text)
            for name in present.keys() - wanted.keys():
                present[name].unlink(missing_ok=True)


def stub(spec: ClientDagSpec) -> str:
    """The DAG file of a client: the same spec gives the same bytes."""
    return (
        f'"""The airflow dag of client {spec.slug}, written from the table core.integrations: do not edit."""\n\n'
        "from pulse.orchestration.dag import build_client_dag\n"
        "from pulse.orchestration.specs import ClientDagSpec, IntegrationSpec\n\n"
        f"dag = build_client_dag({spec!r})\n"
    )


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
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
