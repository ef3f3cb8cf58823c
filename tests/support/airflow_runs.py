"""Runs of clients' DAGs in an Airflow of a test's own, each task in a process of its own as on a worker:

    python -m tests.support.airflow_runs DAG_ID ...

Prints one JSON object: the states of each run's tasks. The environment says where Airflow's home, the clients' database and the
backends of traces and lineage are. Nothing of the scheduler runs but its decisions, and nothing of the API server but the part
that tasks talk to.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from airflow._shared.timezones import timezone
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
from airflow.executors.workloads import ExecuteTask
from airflow.listeners.listener import get_listener_manager
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.sdk.api.client import Client
from airflow.sdk.execution_time.supervisor import InProcessTestSupervisor, supervise_task
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType

LIMIT = 50  # looks for tasks that may run, so that a run ends also where none may ever


def read_dags() -> None:
    """Read the DAGs of every bundle into Airflow's database."""
    manager = DagBundlesManager()
    manager.sync_bundles_to_db()
    for bundle in manager.get_all_dag_bundles():
        bundle.initialize()
        bundle.refresh()
        bag = BundleDagBag(dag_folder=bundle.path, bundle_path=bundle.path, bundle_name=bundle.name)
        assert not bag.import_errors, bag.import_errors
        sync_bag_to_db(bag, bundle.name, bundle.version)


def run(dag_id: str, number: int, client: Client) -> dict[str, str]:
    """One run of a DAG from its start to its end; the state of each task."""
    now = timezone.utcnow()
    with create_session() as session:
        dag = SerializedDagModel.get_dag(dag_id, session=session)
        assert dag is not None, dag_id
        dag_run = dag.create_dagrun(
            run_id=f"manual__{number}",
            logical_date=now,
            data_interval=(now, now),
            run_after=now,
            run_type=DagRunType.MANUAL,
            triggered_by=DagRunTriggeredByType.TEST,
            state=DagRunState.RUNNING,
            start_date=now,
            session=session,
        )
        dag_run.dag = dag
        get_listener_manager().hook.on_dag_run_running(dag_run=dag_run, msg="started")
        for _ in range(LIMIT):
            if dag_run.state != DagRunState.RUNNING:
                break
            session.expire_all()
            ready, _ = dag_run.update_state(session=session)
            workloads = [_queued(one, session) for one in ready]
            session.commit()
            for one in workloads:
                supervise_task(
                    ti=one.ti, bundle_info=one.bundle_info, dag_rel_path=one.dag_rel_path, token="", client=client
                )
        return {
            one.task_id + (f"[{one.map_index}]" if one.map_index >= 0 else ""): str(one.state)
            for one in dag_run.get_task_instances(session=session)
        }


def _queued(instance: Any, session: Any) -> ExecuteTask:
    instance.try_number += 1
    instance.state = TaskInstanceState.QUEUED
    instance.queued_dttm = timezone.utcnow()
    session.merge(instance)
    session.flush()
    return ExecuteTask.make(instance)


def main(dag_ids: list[str]) -> None:
    """Run the DAGs one after the other."""
    initdb()
    read_dags()
    client = InProcessTestSupervisor._api_client()
    states = [run(dag_id, number, client) for number, dag_id in enumerate(dag_ids)]
    get_listener_manager().hook.before_stopping(component=DagRun)
    print("STATES", json.dumps(states))


if __name__ == "__main__":
    main(sys.argv[1:])
