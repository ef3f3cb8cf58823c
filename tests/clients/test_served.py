"""Several Airflows share the clients' database, and each leaves the others' clients alone (PULSE_CLIENTS)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowSkipException

from pulse.clients.served import Served
from pulse.ingest.store import Store
from pulse.orchestration import report_tasks, sync_tasks
from pulse.orchestration.specs import read_specs
from tests.support.database import TestDatabase

SLUGS = ("acme", "globex", "initech")


@pytest.mark.parametrize(
    ("words", "served"),
    [
        ("", SLUGS),
        ("acme, globex", ("acme", "globex")),
        ("-acme", ("globex", "initech")),
        ("-acme, -globex", ("initech",)),
        ("nobody", ()),
    ],
)
def test_clients_are_named_or_left_out(monkeypatch: pytest.MonkeyPatch, words: str, served: tuple[str, ...]) -> None:
    monkeypatch.setenv("PULSE_CLIENTS", words)
    assert tuple(slug for slug in SLUGS if slug in Served.here()) == served


def test_both_at_once_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_CLIENTS", "acme,-globex")
    with pytest.raises(ValueError, match=r"PULSE_CLIENTS names clients \(acme\) and leaves others out \(globex\)"):
        Served.here()


@pytest.fixture
def airflow(db: TestDatabase, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Become an Airflow that has these clients' Variables; `clients` is its PULSE_CLIENTS."""
    for name, value in db.conn_env().items():
        monkeypatch.setenv(name, value)

    def become(*declared: str, clients: str, people: bool = False) -> None:
        monkeypatch.setenv("PULSE_CLIENTS", clients)
        keys = [f"pulse_client_{slug}" for slug in declared]
        monkeypatch.setattr(Variable, "keys", lambda prefix: keys)
        for slug in SLUGS:
            monkeypatch.delenv(f"AIRFLOW_VAR_PULSE_CLIENT_{slug.upper()}", raising=False)
        for slug in declared:
            users = [{"email": f"ceo@{slug}.example", "reports": ["weekly"]}] if people else []
            monkeypatch.setenv(
                f"AIRFLOW_VAR_PULSE_CLIENT_{slug.upper()}", json.dumps({"name": slug.title(), "users": users})
            )

    return become


def synced() -> list[str]:
    """What sync_clients does with Variables; the clients that it synchronised."""
    slugs = sync_tasks.slugs_to_sync()
    for slug in slugs:
        sync_tasks.sync_declared_client(slug)
    sync_tasks.deactivate_undeclared()
    return slugs


def active(db: TestDatabase) -> list[str]:
    with db.connect("pulse_admin") as admin:
        rows = admin.execute("select slug from core.clients where active order by slug").fetchall()
    return [slug for (slug,) in rows]


def dags(db: TestDatabase) -> list[str]:
    with db.connect("pulse_admin") as admin:
        return [spec.slug for spec in read_specs(admin)]


def test_neither_deactivates_or_runs_what_the_other_serves(db: TestDatabase, airflow: Callable[..., None]) -> None:
    airflow("acme", clients="-globex,-initech")
    assert synced() == ["acme"]
    airflow("globex", "initech", clients="globex,initech")
    assert synced() == ["globex", "initech"]
    assert active(db) == list(SLUGS)
    assert dags(db) == ["globex", "initech"]
    assert sync_tasks.active_slugs() == ["globex", "initech"]

    airflow("acme", clients="-globex,-initech")
    assert synced() == [], "the other's sync gives no reason to look again"
    assert active(db) == list(SLUGS)
    assert dags(db) == ["acme"]

    airflow("globex", clients="globex,initech")
    synced()
    assert active(db) == ["acme", "globex"], "its own client is gone"


def test_a_variable_of_the_others_client_is_not_read(
    db: TestDatabase, airflow: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    airflow("acme", "globex", clients="acme")
    assert synced() == ["acme"]
    assert "PULSE_CLIENTS leaves these to another Airflow: their Variables are not read: globex" in caplog.text
    assert active(db) == ["acme"]


def test_reports_are_sent_by_the_one_that_serves_the_client(
    db: TestDatabase, airflow: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULSE_SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("PULSE_SMTP_FROM", "Pulse <pulse@example.com>")
    airflow(*SLUGS, clients="", people=True)
    synced()
    assert report_tasks.clients_with_reports() == list(SLUGS)
    airflow("globex", clients="globex", people=True)
    assert report_tasks.clients_with_reports() == ["globex"]
    airflow(clients="nobody")
    with pytest.raises(AirflowSkipException):
        report_tasks.clients_with_reports()


def test_a_wish_for_a_run_waits_for_the_one_that_serves_the_client(
    db: TestDatabase, airflow: Callable[..., None]
) -> None:
    for slug in SLUGS:
        client_id = db.add_client(slug)
        with db.cluster.primary.connect(database=db.name) as superuser:
            superuser.execute("insert into core.ingest_runs (client_id, wished) values (%s, 1)", [client_id])
    airflow("acme", clients="-globex,-initech")
    store = Store()
    assert store.claim_runs() == [("acme", 1)]
    assert store.claim_runs() == []
    airflow("globex", "initech", clients="globex,initech")
    assert sorted(store.claim_runs()) == [("globex", 1), ("initech", 1)]
    store.close()
