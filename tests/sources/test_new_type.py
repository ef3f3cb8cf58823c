"""A source type is two folders: those of more_types are all that this installation knows of a made-up forge."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from migrations.migrate import migrate
from pulse.clients.spec import SpecError, parse_spec
from tests.support.database import TestDatabase
from tests.support.installation import run_with

ROOT = Path(__file__).resolve().parents[2]
MORE = Path(__file__).resolve().parent / "more_types"
TYPE = "kiln"
TOKEN = "kiln-token-of-the-test"
# Folders that tools and tests write.
NOT_OURS = {".git", ".pulse", "__pycache__", "node_modules", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
NOW = "2026-04-01T12:00:00+00:00"
DAY = "2026-03-02T"
MERGED = {"begun": f"{DAY}06:00Z", "proposed": f"{DAY}08:00Z", "landed": f"{DAY}10:00Z", "by": "ada"}
AGREED = {"agreed": [{"who": "bo", "at": f"{DAY}09:00Z"}]}
JOURNAL: list[dict[str, Any]] = [
    {"what": "app", "app": "shop"},
    {"what": "commit", "app": "shop", "rev": "a0", "note": "Begin", "at": f"{DAY}04:00Z"},
    {"what": "rollout", "app": "shop", "rev": "a0", "from": f"{DAY}05:00Z", "to": f"{DAY}05:30Z"},
    {"what": "commit", "app": "shop", "rev": "a1", "note": "Basket", "at": f"{DAY}06:00Z"},
    {"what": "merge", "app": "shop", "rev": "a1", "note": "Basket", **MERGED, **AGREED},
    {"what": "commit", "app": "shop", "rev": "a2", "note": "Search", "at": f"{DAY}04:00Z"},
    {"what": "merge", "app": "shop", "rev": "a2", "note": "Search", **MERGED, "begun": f"{DAY}04:00Z", "agreed": []},
    {"what": "rollout", "app": "shop", "rev": "a2", "from": f"{DAY}11:30Z", "to": f"{DAY}12:00Z"},
    {"what": "alarm", "app": "shop", "note": "Search is slow", "from": f"{DAY}13:00Z", "to": f"{DAY}15:00Z"},
    {"what": "commit", "app": "shop", "rev": "a3", "note": "Without a merge", "at": f"{DAY}14:00Z"},
    {"what": "rollout", "app": "shop", "rev": "a3", "from": f"{DAY}14:40Z", "to": f"{DAY}15:00Z"},
    {"what": "rollout", "app": "shop", "from": f"{DAY}16:00Z", "to": f"{DAY}16:10Z"},
]
for number, entry in enumerate(JOURNAL, 1):
    entry["no"] = number


class Forge(BaseHTTPRequestHandler):
    """Answers with two entries of the journal after the given one."""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        allowed = self.headers["Authorization"] == f"Bearer {TOKEN}" and address.path == "/journals/main"
        after = int(parse_qs(address.query)["after"][0])
        body = json.dumps({"entries": JOURNAL[after : after + 2]}).encode()
        self.send_response(200 if allowed else 403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the output of the tests free of requests."""


@pytest.fixture
def forge(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a made-up forge."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Forge)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PULSE_PRIVATE_URLS", f"127.0.0.1:{server.server_port}")
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def variable(forge: str) -> dict[str, Any]:
    """What an admin of the client declares."""
    integration = {"type": TYPE, "base_url": forge, "token": TOKEN, "journal": "main"}
    return {"name": "Acme", "integrations": [integration], "settings": {"dora.direct_pushes": True}}


@pytest.fixture
def installed(db: TestDatabase, forge: str) -> dict[str, Any]:
    """What a first run of an installation with the folders said."""
    return run_with([MORE], db, "acme", variable(forge), NOW)


def as_etl(db: TestDatabase, client_id: int) -> psycopg.Connection[Any]:
    """A connection that works for the client."""
    etl = db.connect("pulse_etl")
    etl.execute("select set_config('pulse.client_id', %s, false)", [str(client_id)])
    return etl


def test_two_folders_are_enough_for_the_numbers(db: TestDatabase, installed: dict[str, Any]) -> None:
    assert (installed["scopes"], installed["written"]) == (["journals:main"], 11)
    etl = as_etl(db, installed["client_id"])
    assert etl.execute("select record_id, reason from raw.rejects").fetchall() == [("12", "missing field 'rev'")]
    delivered = etl.execute(
        "select l.change_id, l.deployment_id, l.lead_time_hours, c.is_reviewed from core.deployment_changes l"
        " join core.changes c on c.id = l.change_id order by 1"
    ).fetchall()
    kiln = etl.execute("select id from core.integrations").fetchone()
    assert kiln is not None
    assert delivered == [
        (f"{TYPE}-commit:{kiln[0]}:1:a3", f"{TYPE}:{kiln[0]}:rollout:11", 1, False),
        (f"{TYPE}-pr:{kiln[0]}:5", f"{TYPE}:{kiln[0]}:rollout:8", 6, True),
        (f"{TYPE}-pr:{kiln[0]}:7", f"{TYPE}:{kiln[0]}:rollout:8", 8, False),
    ]
    shown = "select source from core.deployments union select source from core.incidents"
    assert etl.execute(shown).fetchall() == [(TYPE,)]
    numbers = etl.execute(
        "select metric_type, sample_size, numerator, denominator from core.dora_metrics"
        " where (grain, scope_type, period_start) = ('month', 'client', '2026-03-01') and metric_type = any (%s)",
        [["deployment_frequency", "lead_time_for_changes", "change_failure_rate"]],
    )
    assert {name: rest for name, *rest in numbers} == {
        "deployment_frequency": [3, 3, None],
        "lead_time_for_changes": [3, None, None],
        "change_failure_rate": [3, 1, 3],
    }


def test_a_second_run_writes_nothing(db: TestDatabase, forge: str, installed: dict[str, Any]) -> None:
    assert run_with([MORE], db, "acme", variable(forge), NOW) == {**installed, "written": 0}


def test_its_records_are_behind_the_same_walls(db: TestDatabase, installed: dict[str, Any]) -> None:
    table = f"raw.{TYPE}_entries"
    owner = db.connect("pulse_owner")
    assert owner.execute("select * from core.unprotected_tables()").fetchall() == []
    rights = """
        select c.relacl::text, c.relrowsecurity, c.relforcerowsecurity,
               (select array_agg((polname, polcmd, polroles, pg_get_expr(polqual, polrelid))::text order by polname)
                from pg_policy where polrelid = c.oid)
        from pg_class c where c.oid = %s::regclass
    """
    assert owner.execute(rights, [table]).fetchone() == owner.execute(rights, ["raw.jira_issues"]).fetchone()
    count = f"select count(*) from {table}".encode()
    assert as_etl(db, installed["client_id"]).execute(count).fetchone() == (11,)
    assert as_etl(db, db.add_client("other")).execute(count).fetchone() == (0,)
    others = ["pulse_admin", "pulse_auth", "pulse_staff", "pulse_reader", f"pulse_client_{installed['client_id']}"]
    readable = "select r from unnest(%s::text[]) r where has_table_privilege(r, %s, 'select')"
    assert owner.execute(readable, [others, table]).fetchall() == []


def test_an_installation_without_the_folders_does_not_know_it(db: TestDatabase, installed: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=r"integrations\[0\]: 'type' must be one of"):
        parse_spec("acme", json.dumps(variable("https://kiln.example")))
    migrate(db.url("pulse_owner"))
    kept = as_etl(db, installed["client_id"]).execute(f"select count(*) from raw.{TYPE}_entries".encode()).fetchone()
    assert kept == (11,)


def test_nothing_else_names_it() -> None:
    word = re.compile(rf"(?i)\b{TYPE}(?![a-z])".encode())
    naming = {
        path.parent if path.is_relative_to(MORE) else path
        for path in ROOT.rglob("*")
        if not NOT_OURS & {*path.relative_to(ROOT).parts}
        and path.is_file()
        and word.search(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    }
    assert naming == {MORE / "sources" / TYPE, MORE / "staging" / TYPE, Path(__file__).resolve()}
