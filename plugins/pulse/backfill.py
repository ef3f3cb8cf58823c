"""Going on at once when a run left history for the next one."""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk.exceptions import AirflowSkipException


class ContinueBackfill(TriggerDagRunOperator):
    """Triggers its own DAG again when this run's extraction stopped at its bound; else it is skipped."""

    ui_color = "#e8f0fe"

    def __init__(self, *, client_id: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.client_id = client_id

    def execute(self, context: Any) -> Any:
        from pulse.tasks import has_more_history

        if not has_more_history(self.client_id, str(context["dag_run"].run_id)):
            raise AirflowSkipException("All history is stored.")
        return super().execute(context)
