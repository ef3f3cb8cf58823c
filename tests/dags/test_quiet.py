"""A run in which nothing is new ends with the discovery that finds it out; whatever is new leaves it to the other tasks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from psycopg.types.json import Json

from pulse.orchestration import lineage, quiet, tasks
from pulse.orchestration.lineage_events import events_of
from pulse.orchestration.specs import ClientDagSpec, IntegrationSpec
from pulse.warehouse.connect import client_transaction
from tests.support.database import TestDatabase
from tests.support.world import World, run, steady

RUN = "manual__1"


class QuietRun:
    """A client with numbers of today that are published, and a run of its DAG whose two discoveries found nothing."""

    def __init__(self, db: TestDatabase, params: dict[str, Any]) -> None:
        self.world = world = World(db, minimum_sample=1)
        sources = tuple(
            IntegrationSpec(one, kind, kind, "https://x.example", kind)
            for one, kind in ((world.github, "github"), (world.jira, "jira"))
        )
        self.spec = ClientDagSpec(world.client_id, "acme", "Acme", 60, sources)
        self.params = params
        self.shop = steady(world, days=3)
        world.compute()
        self.publish()
        for source in (world.github, world.jira):
            self.discovered(source)

    def discovered(self, source: int, state: str = "success", found: int = 0, run_id: str = RUN) -> None:
        with client_transaction(self.world.conn, self.world.client_id):
            self.world.conn.execute(
                "insert into core.etl_runs (client_id, dag_run_id, task_id, integration_id, state, steps_all)"
                " values (%s, %s, 'discover', %s, %s, %s)",
                [self.world.client_id, run_id, source, state, found],
            )

    def publish(self) -> None:
        run(self.world, "update core.data_versions set published = version")

    def context(self) -> dict[str, Any]:
        return {
            "params": self.params,
            "dag_run": SimpleNamespace(run_id=RUN),
            "task": SimpleNamespace(task_id="discover"),
        }

    def stages(self) -> list[str]:
        """The stages that were run, each recorded under the name of its own task."""
        return [
            task
            for (task,) in self.world.rows_of_etl(
                "select task_id from core.etl_runs where integration_id is null and state = 'success' order by id"
            )
        ]


@pytest.fixture
def quiet_run(db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> QuietRun:
    made = QuietRun(db, {"recompute": False})
    for name, value in db.conn_env().items():
        monkeypatch.setenv(name, value)
    for module in (quiet, tasks):
        monkeypatch.setattr(module, "get_current_context", made.context)
    return made


def test_nothing_is_new(quiet_run: QuietRun) -> None:
    work = lineage.begin()
    assert quiet.ends_here(quiet_run.spec)
    assert quiet_run.stages() == ["normalise_records", "compute_dora"]
    told = events_of(work)
    assert (told.inputs, told.outputs) == ([], []), "a lineage backend hears that nothing was written"


@pytest.mark.parametrize(("state", "found"), [("running", 0), ("failed", 0), ("deferred", 0), ("success", 1)])
def test_another_source_has_something_or_is_not_done(quiet_run: QuietRun, state: str, found: int) -> None:
    quiet_run.discovered(quiet_run.world.jira, state, found)
    assert not quiet.ends_here(quiet_run.spec)
    assert quiet_run.stages() == [], "nothing is computed before everything is read"
    quiet_run.discovered(quiet_run.world.jira)
    assert quiet.ends_here(quiet_run.spec), "the latest try counts"


def test_another_run_says_nothing_of_this_one(quiet_run: QuietRun) -> None:
    run(
        quiet_run.world,
        "update core.etl_runs set dag_run_id = 'scheduled__0' where integration_id = %s",
        quiet_run.world.jira,
    )
    assert not quiet.ends_here(quiet_run.spec)


def test_somebody_asks_for_everything_anew(quiet_run: QuietRun) -> None:
    quiet_run.params["recompute"] = True
    assert not quiet.ends_here(quiet_run.spec)


@pytest.mark.parametrize(
    "change",
    [
        "update core.data_versions set version = version + 1",
        "update core.dora_state set computed_through = computed_through - 1",
        "update core.dora_state set definition_version = 'pulse-0:' || definition_version",
    ],
    ids=["an earlier run was not published", "a day has begun", "Pulse is a new version"],
)
def test_a_task_of_the_run_has_something_to_do(quiet_run: QuietRun, change: str) -> None:
    run(quiet_run.world, change)
    assert not quiet.ends_here(quiet_run.spec)
    assert quiet_run.stages() == []


def test_a_record_that_was_stored_after_the_last_run_is_new(quiet_run: QuietRun) -> None:
    world = quiet_run.world
    run(
        world,
        "insert into raw.jira_projects (client_id, integration_id, record_id, scope_key, payload, payload_hash)"
        " values (%s, %s, '5', '', %s, '')",
        world.client_id,
        world.jira,
        Json({"id": "5", "key": "NEW", "name": "New"}),
    )
    work = lineage.begin()
    assert not quiet.ends_here(quiet_run.spec)
    assert quiet_run.stages() == ["normalise_records"]
    assert [one.name.partition(".")[2] for one in events_of(work).outputs] == ["core.projects"]


def test_a_deployment_that_an_earlier_run_has_left_is_new(quiet_run: QuietRun) -> None:
    world = quiet_run.world
    world.deploy(quiet_run.shop, "shop-0", world.rows("select now()")[0][0])
    assert not quiet.ends_here(quiet_run.spec)
    assert quiet_run.stages() == ["normalise_records", "compute_dora"]


def test_a_stage_that_fails_is_left_to_its_own_task(quiet_run: QuietRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any, **__: Any) -> None:
        raise RuntimeError("no disk")

    monkeypatch.setattr(tasks, "run_stage", failing)
    assert not quiet.ends_here(quiet_run.spec)
