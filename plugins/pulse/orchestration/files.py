"""The files that Airflow reads client DAGs from: `clients_0001.py`, and `clients_0001/<slug>.json` for each of its clients.

Reading a file costs Airflow far more than a DAG in it, so a file has the DAGs of up to fifty clients. It says nothing of them
itself, because Airflow keeps a copy of it with each DAG.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, get_parsing_context, task

from pulse.orchestration.dag import build_client_dag, dag_id
from pulse.orchestration.defaults import default_args
from pulse.orchestration.specs import ClientDagSpec, IntegrationSpec

log = logging.getLogger(__name__)
CLIENTS_A_FILE = 50
_FILE = """\
\"\"\"The airflow DAGs of the clients that the files of {folder} describe, written from core.integrations: do not edit.\"\"\"

from pulse.orchestration.files import client_dags

# Airflow reads this file again when a description has changed, because this line has: {digest}
globals().update(client_dags(__file__))
"""


def files_of(specs: Iterable[ClientDagSpec]) -> dict[str, str]:
    """The text of each file by its path in the bundle, descriptions first. The same specs give the same bytes."""
    described: dict[str, dict[str, str]] = {}
    for spec in sorted(specs, key=lambda one: one.client_id):
        folder = f"clients_{spec.client_id // CLIENTS_A_FILE:04}"
        described.setdefault(folder, {})[f"{folder}/{spec.slug}.json"] = json.dumps(asdict(spec), indent=1) + "\n"
    texts = {path: text for files in described.values() for path, text in files.items()}
    for folder, files in described.items():
        digest = hashlib.sha256("".join(files.values()).encode()).hexdigest()[:16]
        texts[f"{folder}.py"] = _FILE.format(folder=folder, digest=digest)
    return texts


def client_dags(file: str) -> dict[str, DAG]:
    """The DAGs of a file's clients by their ids. A process that runs a task gets only that of the task.

    A DAG that cannot be built stops no other one: in its place is a DAG that says why.
    """
    wanted = get_parsing_context().dag_id
    paths = sorted(Path(file).with_suffix("").glob("*.json"))
    return {dag_id(path.stem): _dag(path) for path in paths if wanted in (None, dag_id(path.stem))}


def _dag(path: Path) -> DAG:
    try:
        return build_client_dag(_spec(json.loads(path.read_text(encoding="utf-8"))))
    except Exception as error:  # whatever it is: the file has the DAGs of other clients
        log.exception("client %s: its DAG cannot be built", path.stem)
        return _faulty_dag(path.stem, f"{type(error).__name__}: {error}")


def _spec(described: dict[str, Any]) -> ClientDagSpec:
    integrations = tuple(IntegrationSpec(**one) for one in described.pop("integrations"))
    return ClientDagSpec(**described, integrations=integrations)


def _faulty_dag(slug: str, reason: str) -> DAG:
    """It has no schedule: the page Clients and the freshness promise tell of a client that is not read."""
    remedy = f"Correct the Variable pulse_client_{slug}, and trigger sync_clients."
    text = f"client {slug}: its DAG cannot be built ({reason}). {remedy}"
    with DAG(
        dag_id(slug),
        description=text,
        doc_md=text,
        schedule=None,
        catchup=False,
        max_active_runs=1,
        tags=[f"client:{slug}", "faulty", "pulse"],
        default_args=default_args(slug),
        auto_register=False,
    ) as dag:

        @task(retries=0, retry_policy=None)
        def say_why() -> None:
            from airflow.sdk.exceptions import AirflowFailException

            raise AirflowFailException(text)

        say_why()
    return dag
