"""From a client's spec to its DAG. Importing this, and building a DAG, does no I/O and gives the same DAG each time."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import DAG, Asset, Param, TaskGroup, TriggerRule, get_current_context, task

from pulse import environ
from pulse.orchestration.defaults import default_args
from pulse.orchestration.names import AFTER_EXTRACTION, COMPUTE, CONTINUE, NORMALISE, PUBLISH, WATCH
from pulse.orchestration.operators import ContinueBackfill, client_task, deferring_task
from pulse.orchestration.specs import ClientDagSpec, IntegrationSpec
from pulse.source_types import scopes_of

FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
START_PATH = "/pulse/start/"  # Superset sends on to the landing dashboard
REPLAY_TIMEOUT_SECONDS = 120


def dag_id(slug: str) -> str:
    """The id of a client's DAG."""
    return f"pulse__{slug}"


def published_uri(slug: str) -> str:
    """The asset of which each publication of a client is an event."""
    return f"pulse://{slug}/published"


def build_client_dag(spec: ClientDagSpec) -> DAG:
    """The DAG that extracts one client's sources, computes its metrics and publishes them."""
    with DAG(
        dag_id(spec.slug),
        description=f"{spec.name}: extract, compute the DORA metrics, publish",
        doc_md=_documentation(spec),
        schedule=timedelta(minutes=spec.schedule_minutes),
        start_date=FIRST_DAY + _offset(spec),
        catchup=False,
        max_active_runs=1,
        max_active_tasks=3,
        dagrun_timeout=timedelta(hours=12),
        tags=[f"client:{spec.slug}", "pulse"],
        params={
            "recompute": Param(
                False,
                type="boolean",
                title="Recompute everything",
                description="compute_dora recomputes all facts and numbers, not only what changed",
            )
        },
        owner_links={spec.slug: dashboard_url()},
        auto_register=False,  # Airflow would take one that could not be built to its end
        default_args=default_args(spec.slug),
    ) as dag:
        groups = [_integration_group(spec, integration) for integration in spec.integrations]
        normalised = _normalise_task(spec)()
        computed = _compute_task(spec)()
        published = _publish_task(spec)()
        normalised >> computed >> published
        if groups:
            groups >> normalised
            # Publish what could be read even if a source failed; the failure still makes the run red.
            watch = _watch_task()()
            [*groups, published] >> watch
            published >> _continue_task(spec)
    return dag


def dashboard_url() -> str:
    """The address of the executives' dashboard."""
    return environ.SUPERSET_PUBLIC_URL.get().rstrip("/") + START_PATH


def _offset(spec: ClientDagSpec) -> timedelta:
    """A fixed moment within the schedule for each client, so that they do not all start at once."""
    digest = hashlib.sha256(spec.slug.encode()).digest()
    return timedelta(seconds=int.from_bytes(digest[:4], "big") % (spec.schedule_minutes * 60))


def _integration_group(spec: ClientDagSpec, integration: IntegrationSpec) -> TaskGroup:
    scopes = scopes_of(integration.integration_type)
    with TaskGroup(integration.name) as group:

        @deferring_task(task_id=f"discover_{scopes}")
        def discover() -> list[list[str]]:
            from airflow.sdk.exceptions import DownstreamTasksSkipped

            from pulse.orchestration.quiet import ends_here
            from pulse.orchestration.tasks import discover_scopes

            batches = discover_scopes(spec, integration)
            if not batches and ends_here(spec):
                raise DownstreamTasksSkipped(tasks=[f"{integration.name}.extract_{scopes}", *AFTER_EXTRACTION])
            return batches

        @deferring_task(task_id=f"extract_{scopes}", map_index_template="{{ scope_label }}")
        def extract(batch: list[str]) -> dict[str, int]:
            from pulse.orchestration.tasks import extract_batch

            return extract_batch(spec, integration, batch)

        extract.expand(batch=discover())
    return group


def _normalise_task(spec: ClientDagSpec) -> Any:
    @client_task(task_id=NORMALISE, trigger_rule=TriggerRule.ALL_DONE)
    def normalise() -> dict[str, int]:
        from pulse.orchestration.tasks import run_transforms

        return run_transforms(spec, NORMALISE, "normalise")

    return normalise


def _compute_task(spec: ClientDagSpec) -> Any:
    @client_task(task_id=COMPUTE)
    def compute() -> dict[str, int]:
        from airflow.sdk.exceptions import DownstreamTasksSkipped

        from pulse.orchestration.tasks import has_more_history, has_news, run_transforms

        context = get_current_context()
        rows = run_transforms(spec, COMPUTE, "dora", full=bool(context["params"].get("recompute")))
        if not has_news(spec.client_id) and not has_more_history(spec.client_id, str(context["dag_run"].run_id)):
            raise DownstreamTasksSkipped(tasks=[PUBLISH])  # a process of its own would find nothing to do
        return rows

    return compute


def _publish_task(spec: ClientDagSpec) -> Any:
    asset = Asset(published_uri(spec.slug))

    @client_task(task_id=PUBLISH, execution_timeout=timedelta(minutes=10), outlets=[asset])
    def publish(*, outlet_events: Any) -> None:
        from airflow.sdk.exceptions import DownstreamTasksSkipped

        from pulse.orchestration.tasks import has_more_history, publish_dashboards

        run_id = str(get_current_context()["dag_run"].run_id)
        outlet_events[asset].extra = publish_dashboards(spec, run_id, REPLAY_TIMEOUT_SECONDS)
        if not has_more_history(spec.client_id, run_id):
            raise DownstreamTasksSkipped(tasks=[CONTINUE])  # it would skip itself, in a process of its own

    return publish


def _continue_task(spec: ClientDagSpec) -> ContinueBackfill:
    """Start the next run when this one stopped at its bound, once its part is published."""
    return ContinueBackfill(
        task_id=CONTINUE,
        client_id=spec.client_id,
        trigger_dag_id=dag_id(spec.slug),
        wait_for_completion=False,
    )


def _watch_task() -> Any:
    @task(task_id=WATCH, trigger_rule=TriggerRule.ONE_FAILED, retries=0, retry_policy=None)
    def watch() -> None:
        from airflow.sdk.exceptions import AirflowFailException

        raise AirflowFailException(
            "A task of this run failed. The red task's log says which source, why, and what to do. The data of the other"
            " sources was published."
        )

    return watch


def _documentation(spec: ClientDagSpec) -> str:
    sources = "\n".join(f"- `{i.name}`: {i.base_url} (Connection `{i.connection_id}`)" for i in spec.integrations)
    return f"""\
### {spec.name}

Extracts the client's sources, computes the five DORA metrics on the primary and publishes them on the replica.

[Dashboard]({dashboard_url()})

{sources or "No integration is declared."}

**If a task is red**, its log names the client, the source and what to do. The next run of an `extract_*` task continues from
its last checkpoint; nothing is lost or counted twice. For 401 or 403, renew the token in the Connection. The other sources
are published anyway.

**If a task is violet (deferred)**, the upstream's budget is used up. The task resumes by itself at the time in its log and in
`core.etl_runs.resume_at`. **If tasks are pink (skipped)**, nothing has changed since the last run.
`continue_backfill` starts the next run when a long history has not been read to its end.

`compute_dora` computes what changed since the last run. To recompute everything, trigger the DAG with `recompute`; numbers
that were right stay the same.

The client is declared in the Variable `pulse_client_{spec.slug}`. Change it there and trigger `sync_clients`.
"""
