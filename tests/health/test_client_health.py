"""The page Clients: who needs attention comes first, with the cause and what to do."""

from __future__ import annotations

import inspect
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from pulse import errors
from pulse.clients.faults import forget_faults
from pulse.clients.spec import SpecError
from pulse.health import alerts, state
from pulse.health import app as pages
from pulse.orchestration.sync_tasks import sync_declared_client
from pulse.warehouse.connect import client_transaction
from tests.conftest import ROOT
from tests.support.database import TestDatabase

NOW = datetime.now(UTC)


def ran(db: TestDatabase, client_id: int, *, hours: float, state: str = "success", **columns: Any) -> None:
    """A run of the client that ended so many hours ago."""
    values = {
        "dag_run_id": "run",
        "task_id": "github.extract",
        "state": state,
        "started_at": NOW - timedelta(hours=hours, minutes=1),
        "finished_at": None if state == "running" else NOW - timedelta(hours=hours),
        **columns,
    }
    with db.connect("pulse_etl") as conn, client_transaction(conn, client_id):
        conn.execute(
            f"insert into core.etl_runs (client_id, {', '.join(values)}) values (%s, {', '.join(['%s'] * len(values))})",
            [client_id, *values.values()],
        )


@pytest.fixture
def clients(db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    monkeypatch.setenv("AIRFLOW_CONN_PULSE_REPLICA", db.url("pulse_staff", replica=True))
    names = ("good", "failing", "flaky", "late", "new", "waiting", "rejected", "warned", "markup")
    ids = {name: db.add_client(name, "<b>Markup</b>" if name == "markup" else name.title()) for name in names}
    ran(db, ids["good"], hours=0.2, budget_remaining=4321)
    ran(db, ids["failing"], hours=30)
    ran(db, ids["failing"], hours=1, state="failed", error="UpstreamError: GitHub answers 502. What to do: wait.")
    # One repository of many fails while the others are read: the source works.
    ran(db, ids["flaky"], hours=0.5, state="failed", error="UpstreamError: one of many")
    ran(db, ids["flaky"], hours=0.49)
    ran(db, ids["late"], hours=27)
    ran(db, ids["waiting"], hours=1, state="deferred", resume_at=NOW + timedelta(hours=1))
    ran(db, ids["rejected"], hours=1, rows_rejected=3)
    ran(db, ids["warned"], hours=1, warnings=["the token ends in 5 days"])
    ran(db, ids["warned"], hours=0, state="running")
    ran(db, ids["markup"], hours=1, state="failed", error="<script>alert(1)</script>")
    db.wait_replica()
    return ids


def test_who_needs_attention_comes_first(clients: dict[str, int]) -> None:
    found = {h.slug: h for h in state.read()}
    assert list(found) == ["failing", "markup", "late", "waiting", "new", "rejected", "warned", "flaky", "good"]
    assert found["failing"].cause == "GitHub answers 502. What to do: wait."
    assert (found["good"].state, found["good"].cause, found["good"].budget) == ("good", "", "4321")
    assert found["flaky"].state == "good"
    assert found["warned"].running == "github.extract"
    assert "paused" in found["late"].cause
    assert found["rejected"].cause.startswith("3 records")


def test_the_page_shows_them_and_no_markup_of_theirs(
    clients: dict[str, int], monkeypatch: pytest.MonkeyPatch, db: TestDatabase
) -> None:
    made = pages.create_app()
    signed_in = TestClient(without_login(made))
    page = signed_in.get("/").text
    assert "7 of 9 need a look" in page
    assert page.index("GitHub answers 502") < page.index("the token ends in 5 days")
    assert "<script>alert" not in page
    assert "<b>Markup" not in page
    assert 'href="/dags/pulse__failing"' in page
    assert signed_in.get("/health.json").json()[0]["slug"] == "failing"
    assert TestClient(pages.create_app()).get("/").status_code in (401, 500), "not without Airflow's login"

    monkeypatch.setenv("AIRFLOW_CONN_PULSE_REPLICA", "postgresql://pulse_staff@127.0.0.1:1/none")
    away = signed_in.get("/")
    assert away.status_code == 503
    assert "replica does not answer" in away.text


def test_a_faulty_variable_is_shown_with_all_its_faults(db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a client that has never been synchronised, and never with a secret."""
    monkeypatch.setenv("AIRFLOW_CONN_PULSE_REPLICA", db.url("pulse_staff", replica=True))
    monkeypatch.setenv("AIRFLOW_CONN_PULSE_ADMIN", db.url("pulse_admin"))
    monkeypatch.setenv("PULSE_READER_SECRET", db.cluster.secrets.readers)
    ran(db, db.add_client("known"), hours=0.1)
    broken = {
        "name": "X",
        "time_zone": "Mars",
        "schedule_minutes": 0,
        "branding": {"primary_color": "<b>red"},
        "users": [{"email": "a@b.example", "password": "short"}],
        "integrations": [{"type": "github", "organization": "a", "expires_on": "***"}],
    }
    for slug in ("known", "unborn"):
        monkeypatch.setenv(f"AIRFLOW_VAR_PULSE_CLIENT_{slug.upper()}", json.dumps(broken))
        with pytest.raises(SpecError):
            sync_declared_client(slug)
    db.wait_replica()
    known, unborn = state.read()
    assert (known.slug, known.state, unborn.slug, unborn.state) == ("known", "faulty", "unborn", "faulty")
    assert [fault["field"] for fault in known.faults] == [
        "integrations[0].expires_on",
        "time_zone",
        "schedule_minutes",
        "branding.primary_color",
        "users[0]",
    ]
    assert known.faults[2] == {
        "field": "schedule_minutes",
        "rule": "must be a whole number from 1 to 10080",
        "value": "0",
        "example": "",
    }
    signed_in = TestClient(without_login(pages.create_app()))
    page = signed_in.get("/").text
    for part in (
        "5 fields of the Variable pulse_client_known",
        "Europe/Berlin",
        "&lt;b&gt;red",
        "#2456C8",
        "Airflow shows",
    ):
        assert part in page
    assert "<b>red" not in page
    assert "short" not in page
    with db.connect("pulse_admin") as admin:
        alerts.note(admin, state.read())
        told = admin.execute("select kind from core.alerts where over_at is null").fetchall()
    assert told == [("faulty",)], "of the client that has a row"

    monkeypatch.setenv("AIRFLOW_VAR_PULSE_CLIENT_KNOWN", json.dumps({"name": "X"}))
    sync_declared_client("known")
    with db.connect("pulse_admin") as admin:
        forget_faults(admin, ["known"], ["known", "unborn"])
    db.wait_replica()
    assert [(one.slug, one.state, one.faults) for one in state.read()] == [("known", "good", [])]


def test_the_runbook_has_every_state_and_every_class_of_error() -> None:
    text = (ROOT / "docs" / "runbook.md").read_text()
    headings = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert set(alerts.TOLD) <= set(headings), "a mail links to its state"
    source = inspect.getsource(state._judge)
    for named in re.findall(r'return \(?\s*\d, "([a-z ]+)"', source):
        assert named == "good" or named in text, named
    classes = {one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.PulseError)}
    for one in classes - {errors.RateLimited}:
        assert f"`{one.__name__}`" in text, one


def without_login(app: FastAPI) -> FastAPI:
    """The app for somebody whom Airflow let in: tests/access asks the real one."""
    for route in app.routes:
        for dependency in getattr(route, "dependencies", []):
            app.dependency_overrides[dependency.dependency] = lambda: None
    return app
