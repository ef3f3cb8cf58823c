"""Operators of client DAGs: one that tells what it read and wrote, one that also waits out a used-up budget, one that starts
the next part of a backfill."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from airflow.providers.standard.decorators.python import _PythonDecoratedOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk.bases.decorator import task_decorator_factory
from airflow.sdk.bases.operator import ExecutorSafeguard
from airflow.sdk.exceptions import AirflowSkipException

from pulse.errors import RateLimited
from pulse.orchestration import lineage

# Tasks with the same resume time must not all start in the same second.
SPREAD_SECONDS = 20.0


class _ClientTask(_PythonDecoratedOperator):
    """Runs its function, and can say what it read and wrote when Airflow tells a lineage backend."""

    custom_operator_name = "@client_task"
    _work: lineage.Work | None = None

    def execute(self, context: Any) -> Any:
        self._work = lineage.begin()
        return super().execute(context)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Called by apache-airflow-providers-openlineage after the task, if a backend is configured."""
        from pulse.orchestration.lineage_events import events_of, hide_records

        hide_records(task_instance)
        return events_of(self._work or lineage.Work())


class _DeferringOperator(_ClientTask):
    """Runs its function. If that raises RateLimited, the task is deferred and runs it again when the budget is back."""

    custom_operator_name = "@deferring_task"

    def execute(self, context: Any) -> Any:
        try:
            return super().execute(context)
        except RateLimited as limited:
            moment = limited.resume_at + timedelta(seconds=random.uniform(1, SPREAD_SECONDS))
            self.log.warning("%s It resumes at %s.", limited, moment.strftime("%Y-%m-%d %H:%M:%S UTC"))
            self.defer(trigger=DateTimeTrigger(moment=moment), method_name="resume")

    def resume(self, context: Any, event: Any = None) -> Any:
        """Called when the time has come; the function continues from its checkpoints."""
        # Only the task runner may call execute; this key marks the call as its own.
        return self.execute(context, **{f"{type(self).__name__}__sentinel": ExecutorSafeguard.sentinel_value})


def client_task(**kwargs: Any) -> Callable[[Callable[..., Any]], Any]:
    """Like @task, for functions that compute or publish a client's data."""
    decorate: Callable[[Callable[..., Any]], Any] = task_decorator_factory(
        decorated_operator_class=_ClientTask, **kwargs
    )
    return decorate


def deferring_task(**kwargs: Any) -> Callable[[Callable[..., Any]], Any]:
    """Like @task, for functions that call an upstream."""
    decorate: Callable[[Callable[..., Any]], Any] = task_decorator_factory(
        decorated_operator_class=_DeferringOperator, **kwargs
    )
    return decorate


class ContinueBackfill(TriggerDagRunOperator):
    """Triggers its own DAG again if this run's extraction stopped at its bound; otherwise it is skipped."""

    ui_color = "#e8f0fe"

    def __init__(self, *, client_id: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.client_id = client_id

    def execute(self, context: Any) -> Any:
        # Not at the top, because the dag-processor imports this module for each file and needs no database driver.
        from pulse.orchestration.tasks import has_more_history

        if not has_more_history(self.client_id, str(context["dag_run"].run_id)):
            raise AirflowSkipException("The whole history is stored.")
        return super().execute(context)
