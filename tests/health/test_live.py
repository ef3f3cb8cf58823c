"""The page Clients moves by itself: how far a run is, from its own counts, and who is told that something moved."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from playwright.sync_api import expect
from starlette.websockets import WebSocketDisconnect

from pulse.health import app as pages
from pulse.health import live, under_way
from pulse.warehouse import progress
from pulse.warehouse.connect import client_transaction
from pulse.warehouse.runs import record_run
from pulse.warehouse.transforms import run_stage, stage_models
from tests.health.test_client_health import ran, without_login
from tests.support.browsers import chromium
from tests.support.database import TestDatabase
from tests.support.servers import free_port
from tests.support.world import World, steady


@pytest.fixture
def client(db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("AIRFLOW_CONN_PULSE_REPLICA", db.url("pulse_staff", replica=True))
    monkeypatch.setenv("AIRFLOW_CONN_PULSE_INGEST", db.url("pulse_ingest"))
    return db.add_client("acme", "Acme")


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """The app for somebody whom Airflow let in."""

    async def may(socket: Any) -> bool:
        return True

    monkeypatch.setattr(live, "_may_see", may)
    return without_login(pages.create_app())


def test_a_source_tells_how_many_repositories_are_read(db: TestDatabase, client: int, app: FastAPI) -> None:
    source = db.add_integration(client, "github")
    extract = {"task_id": "extract_github", "integration_id": source, "dag_run_id": "now"}
    ran(db, client, hours=0.1, **{**extract, "task_id": "discover_github", "steps_all": 3, "api_calls": 2})
    ran(db, client, hours=0.1, **extract, scope_key="1", rows_read=1000, api_calls=5)
    ran(db, client, hours=0.1, **extract, scope_key="2", state="failed", rows_read=7)
    ran(db, client, hours=0, **extract, scope_key="3", state="running", rows_read=300)
    ran(db, client, hours=0.1, **{**extract, "dag_run_id": "before"}, scope_key="3", rows_read=5)
    ran(db, client, hours=30, **{**extract, "task_id": "killed"}, scope_key="9", state="running")
    db.wait_replica()
    (step,) = under_way.read()
    assert (step.done, step.whole, step.rows_read, step.calls) == (1, 3, 1307, 7)
    assert step.text == "github: 1 of 3 read, 1,307 rows"
    page = TestClient(app).get("/").text
    assert '<progress max="3" value="1" aria-label="github: 1 of 3 read, 1,307 rows">' in page
    (told,) = TestClient(app).get("/progress").json()
    assert (told["client"], told["source"], told["done"], told["whole"]) == ("acme", "github", 1, 3)


def test_a_source_that_looks_for_what_is_new_has_no_bar(db: TestDatabase, client: int) -> None:
    source = db.add_integration(client, "jira")
    ran(db, client, hours=0, task_id="discover_jira", integration_id=source, state="running")
    db.wait_replica()
    (step,) = under_way.read()
    assert (step.whole, step.text) == (0, "jira: looking for what is new")


def test_a_stage_tells_its_models_while_it_is_at_work(db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)
    world = World(db)
    steady(world)
    seen: list[tuple[int, int]] = []
    with (
        db.connect("pulse_etl") as conn,
        record_run(conn, client_id=world.client_id, dag_run_id="r", task_id="dora") as stats,
    ):

        def tell(done: int, whole: int) -> None:
            stats.tell(done, whole)
            seen.extend(world.rows_of_etl("select steps_done, steps_all from core.etl_runs where state = 'running'"))

        run_stage(conn, world.client_id, "dora", tell=tell)
    whole = len(stage_models("dora"))
    assert seen == [(done, whole) for done in range(whole + 1)], "seen from outside its transaction"
    assert world.rows_of_etl("select state, steps_done, steps_all from core.etl_runs") == [("success", whole, whole)]


def test_a_run_that_ends_at_once_opens_no_connection_for_its_progress(
    db: TestDatabase, client: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with db.connect("pulse_etl") as conn:
        opened: list[Any] = []
        monkeypatch.setattr(progress.psycopg, "connect", lambda *args, **kwargs: opened.append(kwargs))
        with record_run(conn, client_id=client, dag_run_id="r", task_id="t") as stats:
            for _ in range(100):
                stats.tell()
    assert opened == []


def test_a_run_does_not_fail_for_its_progress(db: TestDatabase, client: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)

    def away(*args: Any, **kwargs: Any) -> Any:
        raise psycopg.OperationalError("no more connections")

    with db.connect("pulse_etl") as conn:
        monkeypatch.setattr(progress.psycopg, "connect", away)
        with record_run(conn, client_id=client, dag_run_id="r", task_id="t") as stats:
            stats.rows_read = 4
            stats.tell(1, 2)
        with client_transaction(conn, client):
            found = conn.execute("select state, rows_read, steps_done, steps_all from core.etl_runs").fetchall()
    assert found == [("success", 4, 1, 2)]


def test_an_open_page_hears_of_runs_clients_and_faults(db: TestDatabase, client: int, app: FastAPI) -> None:
    def fault(statement: str) -> None:
        with db.connect("pulse_admin") as admin:
            admin.execute(statement.encode())

    with TestClient(app).websocket_connect("/live") as page:
        assert page.receive_text() == live.MOVED  # what moved while nobody listened
        for move in (
            lambda: ran(db, client, hours=0),
            lambda: db.add_client("globex"),
            lambda: fault(
                "insert into core.declaration_faults (slug, place, field, rule) values ('acme', 0, 'name', 'is missing')"
            ),
            lambda: fault("delete from core.declaration_faults"),
        ):
            move()
            assert page.receive_text() == live.MOVED
        begun = time.monotonic()
        for hours in range(20):
            ran(db, client, hours=hours)
        heard = 0
        while heard == 0 or time.monotonic() - begun < 3 * live.TOGETHER_SECONDS:
            assert page.receive_text() == live.MOVED
            heard += 1
            ran(db, client, hours=0)
        assert heard <= 8, "what moves together is told once"


def test_a_page_hears_again_when_the_primary_is_back(
    db: TestDatabase, client: int, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "AGAIN_SECONDS", 0.1)
    monkeypatch.delenv("AIRFLOW_CONN_PULSE_INGEST")
    with TestClient(app).websocket_connect("/live") as page:
        time.sleep(0.5)
        monkeypatch.setenv("AIRFLOW_CONN_PULSE_INGEST", db.url("pulse_ingest"))
        assert page.receive_text() == live.MOVED
        with db.cluster.primary.connect() as superuser:
            superuser.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'pulse_ingest'")
        assert page.receive_text() == live.MOVED
        ran(db, client, hours=0)
        assert page.receive_text() == live.MOVED


def test_a_page_of_another_site_or_without_a_login_hears_nothing(client: int, app: FastAPI) -> None:
    own = {"origin": "http://testserver"}
    with TestClient(app).websocket_connect("/live", headers=own) as page:
        assert page.receive_text() == live.MOVED
        page.send_text("anything")
        with pytest.raises(WebSocketDisconnect):
            page.receive_text()
    for origin in ("http://evil.example", "null", "http://testserver.evil.example"):
        with pytest.raises(WebSocketDisconnect), TestClient(app).websocket_connect("/live", headers={"origin": origin}):
            pass


def test_a_login_that_ends_ends_the_page(
    client: int, app: FastAPI, monkeypatch: pytest.MonkeyPatch, db: TestDatabase
) -> None:
    answers = iter([True, True])

    async def may(socket: Any) -> bool:
        return next(answers, False)

    monkeypatch.setattr(live, "_may_see", may)
    with TestClient(app).websocket_connect("/live") as page:
        assert page.receive_text() == live.MOVED
        ran(db, client, hours=0)
        with pytest.raises(WebSocketDisconnect):
            page.receive_text()


@pytest.fixture
def address(app: FastAPI) -> Iterator[str]:
    """The app behind a real server."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.should_exit = True
        thread.join()


def test_an_open_page_in_a_browser_shows_a_failure_without_a_reload(
    db: TestDatabase, client: int, address: str
) -> None:
    ran(db, client, hours=0.1)
    db.wait_replica()
    with chromium() as browser:
        page = browser.new_page()
        page.goto(address)
        expect(page.locator("body[data-live]")).to_be_attached()
        expect(page.locator("td.state")).to_have_text("✔ good")
        page.evaluate("window.same = true")
        ran(db, client, hours=-1, state="failed", error="UpstreamError: GitHub answers 502.")
        expect(page.locator("td.state")).to_have_text("✖ failing", timeout=10_000)
        assert page.evaluate("window.same") is True
