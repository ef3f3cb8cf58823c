"""A task that meets a used-up budget goes to sleep until it is back: deferred, holding no worker slot, shown with its time."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from airflow.providers.standard.decorators.python import _PythonDecoratedOperator
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk.bases.decorator import task_decorator_factory
from airflow.sdk.bases.operator import ExecutorSafeguard

# Tasks that were told the same moment do not all start in the same second.
SPREAD_SECONDS = 20.0


class _DeferringOperator(_PythonDecoratedOperator):
    """Runs its function; when that raises RateLimited, runs it again at the time that the upstream told."""

    custom_operator_name = "@deferring_task"

    def execute(self, context: Any) -> Any:
        from pulse.errors import RateLimited

        try:
            return super().execute(context)
        except RateLimited as limited:
            moment = limited.resume_at + timedelta(seconds=random.uniform(1, SPREAD_SECONDS))
            self.log.warning("%s It goes on at %s.", limited, moment.strftime("%Y-%m-%d %H:%M:%S UTC"))
            self.defer(trigger=DateTimeTrigger(moment=moment), method_name="resume")

    def resume(self, context: Any, event: Any = None) -> Any:
        """Called when the time has come: the function goes on from its checkpoints."""
        # execute may only be called by the task runner, which passes this mark.
        return self.execute(context, **{f"{type(self).__name__}__sentinel": ExecutorSafeguard.sentinel_value})


def deferring_task(**kwargs: Any) -> Callable[[Callable[..., Any]], Any]:
    """Like @task, for functions that call an upstream."""
    decorate: Callable[[Callable[..., Any]], Any] = task_decorator_factory(
        decorated_operator_class=_DeferringOperator, **kwargs
    )
    return decorate
