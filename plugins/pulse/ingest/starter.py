"""Starts the runs that clients wish for: at once, and at most one a minute for each client.

A wish is committed together with what caused it, so it survives whatever process dies. Of Airflow's ways to start a run, this
one creates the run as the API's own route does, in the API server, which has Airflow's database in every installation. An
asset event would start a run from an event that no longer exists after a crash, and an AssetWatcher would need the triggerer
to ask for each client all the time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from pulse.ingest.store import Store, Unavailable

log = logging.getLogger(__name__)
EVERY_SECONDS = 5.0
AFTER_FAILURE_SECONDS = 30.0


def start_run(slug: str) -> bool:
    """Queue a run of a client's DAG, unless one is queued already: that will read everything, too. Returns False if there
    is no DAG that can run now."""
    from airflow.api_fastapi.common.dagbag import create_dag_bag
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType
    from sqlalchemy import select

    from pulse.orchestration.dag import dag_id

    name = dag_id(slug)
    with create_session() as session:
        model = session.scalar(select(DagModel).where(DagModel.dag_id == name, ~DagModel.is_stale))
        if model is None or model.is_paused or model.has_import_errors:
            return False
        queued = select(DagRun.id).where(DagRun.dag_id == name, DagRun.state == DagRunState.QUEUED).limit(1)
        if session.scalar(queued) is not None:
            return True
        dag = create_dag_bag().get_latest_version_of_dag(name, session=session)
        if dag is None:
            return False
        now = datetime.now(UTC)
        dag.create_dagrun(
            run_id=f"ingest__{now.isoformat()}",
            logical_date=None,
            run_after=now,
            run_type=DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.REST_API,
            triggering_user_name="pulse_ingest",
            state=DagRunState.QUEUED,
            session=session,
        )
    return True


class Starter:
    """A thread that looks for wishes every few seconds, and at once when it is woken."""

    def __init__(self, store: Store, start: Callable[[str], bool]) -> None:
        self._store = store
        self._start = start
        self._wake = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="pulse-ingest-runs", daemon=True)

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    def end(self) -> None:
        """Stop the thread."""
        self._stopped = True
        self._wake.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stopped:
            pause = EVERY_SECONDS
            try:
                self.start_wished()
            except Unavailable as error:
                log.warning("no run can be started now: %s", error)
                pause = AFTER_FAILURE_SECONDS
            except Exception:  # the next round tries again
                log.exception("runs could not be started")
                pause = AFTER_FAILURE_SECONDS
            self._wake.wait(pause)
            self._wake.clear()
        self._store.close()

    def start_wished(self) -> None:
        """Start the runs that are due. One that cannot start is tried again a minute later."""
        for slug, wished in self._store.claim_runs():
            try:
                if self._start(slug):
                    self._store.run_started(slug, wished)
                    log.info("client %s: a run is queued, because records or a webhook came", slug)
                else:
                    log.info("client %s: no run, its DAG is paused or not there yet", slug)
            except Unavailable:
                raise
            except Exception:
                log.exception("client %s: the run could not be queued", slug)
