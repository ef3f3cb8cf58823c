"""A sync costs a task and requests only for clients of whom something changed, and for a few others in turn."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pulse.clients import progress
from pulse.clients.spec import SpecError
from pulse.orchestration import sync_tasks
from tests.support.database import TestDatabase

SLUGS = [f"c{number:02}" for number in range(12)]


@pytest.fixture
def variables(db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The clients' Variables, in Airflow's place; as the tasks see them."""
    kept = {f"pulse_client_{slug}": json.dumps({"name": slug}) for slug in SLUGS}

    class Variable:
        @staticmethod
        def keys(prefix: str) -> list[str]:
            return [key for key in kept if key.startswith(prefix)]

        @staticmethod
        def get(key: str, default: Any = None) -> Any:
            return kept.get(key, default)

    monkeypatch.setattr(sync_tasks, "Variable", Variable)
    monkeypatch.setenv("AIRFLOW_CONN_PULSE_ADMIN", db.url("pulse_admin"))
    monkeypatch.setenv("PULSE_READER_SECRET", db.cluster.secrets.readers)
    return kept


def synced() -> list[str]:
    """A run of sync_clients as far as the tables; the clients that it took up."""
    found = sync_tasks.slugs_to_sync()
    for slug in found:
        sync_tasks.sync_declared_client(slug)
    sync_tasks.deactivate_undeclared()
    return found


@pytest.fixture(autouse=True)
def few_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "IN_TURN", {"declared_at": 4, "provisioned_at": 5})


def names(db: TestDatabase) -> dict[str, str]:
    with db.connect("pulse_admin") as admin:
        return dict(admin.execute("select slug, name from core.clients").fetchall())


def test_only_what_changed_has_a_task_and_the_others_are_looked_at_in_turn(
    db: TestDatabase, variables: dict[str, str]
) -> None:
    assert synced() == SLUGS
    with db.connect("pulse_admin") as admin:
        admin.execute("update core.clients set name = 'by hand', spec_hash = ''")
    for done in (4, 8, 12):
        assert synced() == []
        assert sum(name != "by hand" for name in names(db).values()) == done

    calm = next(slug for slug in SLUGS if slug not in _next(db))
    variables[f"pulse_client_{calm}"] = json.dumps({"name": "New"})
    assert synced() == [calm]
    assert names(db)[calm] == "New"
    assert synced() == []


def _next(db: TestDatabase) -> set[str]:
    with db.connect("pulse_admin") as admin:
        return progress.longest_ago(admin, "declared_at")


def test_a_client_that_is_gone_takes_nobodys_turn(db: TestDatabase, variables: dict[str, str]) -> None:
    synced()
    for slug in SLUGS[:5]:
        variables.pop(f"pulse_client_{slug}")
    for _ in range(3):
        synced()
    assert not _next(db) & set(SLUGS[:5])
    with db.connect("pulse_admin") as admin:
        looked_at = (
            "select count(*) from core.sync_state where declared <> '' and declared_at > now() - interval '1 minute'"
        )
        assert admin.execute(looked_at).fetchone() == (7,)


def test_a_fault_is_looked_at_in_every_run_until_it_is_gone(db: TestDatabase, variables: dict[str, str]) -> None:
    synced()
    slug = next(slug for slug in SLUGS if slug not in _next(db))
    good = variables[f"pulse_client_{slug}"]
    variables[f"pulse_client_{slug}"] = "{"
    for _ in range(2):
        assert slug in sync_tasks.slugs_to_sync()
        with pytest.raises(SpecError):
            sync_tasks.sync_declared_client(slug)
    variables[f"pulse_client_{slug}"] = good  # as it was before the fault
    assert slug in synced()


def test_a_variable_that_comes_back_makes_its_client_active_again(db: TestDatabase, variables: dict[str, str]) -> None:
    synced()
    slug = next(slug for slug in SLUGS if slug not in _next(db))
    text = variables.pop(f"pulse_client_{slug}")
    synced()
    with db.connect("pulse_admin") as admin:
        assert admin.execute("select active from core.clients where slug = %s", [slug]).fetchone() == (False,)
    variables[f"pulse_client_{slug}"] = text
    assert slug in synced()
    with db.connect("pulse_admin") as admin:
        assert admin.execute("select active from core.clients where slug = %s", [slug]).fetchone() == (True,)


def test_superset_is_asked_for_those_only_of_whom_something_differs(
    db: TestDatabase, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    synced()
    datasets: dict[str, Any] = {"kpi": {"id": 1}}
    asked: list[str] = []
    roles = {"there": True}
    monkeypatch.setattr(sync_tasks, "api_from_connection", lambda: None)
    monkeypatch.setattr(sync_tasks, "ensure_assets", lambda api: False)
    monkeypatch.setattr(sync_tasks, "pulse_datasets", lambda api: datasets)
    monkeypatch.setattr(sync_tasks, "has_role", lambda api, client_id: roles["there"])
    monkeypatch.setattr(sync_tasks, "ensure_client", lambda api, client_id, slug, active: asked.append(slug))

    def provisioned() -> list[str]:
        asked.clear()
        sync_tasks.provision_all()
        return sorted(asked)

    assert provisioned() == SLUGS
    turns = [provisioned() for _ in range(3)]
    assert [len(turn) for turn in turns] == [5] * 3
    assert set().union(*turns) == set(SLUGS)
    datasets["new"] = {"id": 2}
    assert provisioned() == SLUGS, "a new dataset is closed for, and opened to, everybody"
    roles["there"] = False
    assert provisioned() == SLUGS, "a Superset that was made anew"
    roles["there"] = True
    variables.pop("pulse_client_c00")
    sync_tasks.deactivate_undeclared()
    assert "c00" in provisioned(), "an inactive client's role may do nothing"
