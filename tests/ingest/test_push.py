"""Records that a tool pushes: who may, what is taken, and that they become numbers like any other."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import threading
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient

from pulse.ingest import keys, limits
from pulse.ingest.app import create_app
from pulse.ingest.gate import Gate
from pulse.ingest.keys import KeyProblem
from pulse.ingest.store import Store
from tests.ingest.conftest import CHANGE, DEPLOYMENT, INCIDENT, Push
from tests.support.airflow_api import wait_for
from tests.support.servers import free_port


def deployments(count: int) -> list[dict[str, Any]]:
    return [DEPLOYMENT | {"id": str(number)} for number in range(count)]


def test_one_record_and_a_batch_are_taken(push: Push) -> None:
    token = push.key("acme").secret
    for path, body, taken in (
        ("/v1/acme/deployments", DEPLOYMENT, 1),
        ("/v1/acme/deployments", deployments(30), 30),
        ("/v1/acme/incidents", INCIDENT, 1),
        ("/v1/acme/changes", [CHANGE], 1),
        ("/v1/acme/changes", [], 0),
    ):
        answer = push.post(token, body, path)
        assert answer.status_code == 202, answer.text
        assert answer.json() == {"taken": taken, "skipped": 0, "refused": []}
    assert len(push.records()) == 33
    assert push.records()["incidents:7"]["title"] == "Shop is down"


def test_the_numbers_count_what_was_pushed(push: Push) -> None:
    token = push.key("acme").secret
    now = datetime.now(UTC)
    recent = [
        DEPLOYMENT
        | {
            "id": f"d{day}",
            "created_at": (now - timedelta(days=day, minutes=9)).isoformat(),
            "finished_at": (now - timedelta(days=day)).isoformat(),
        }
        for day in range(1, 15)
    ]
    assert push.post(token, [*recent, {"id": "broken"}]).json()["taken"] == 14
    assert push.post(token, INCIDENT, "/v1/acme/incidents").json()["taken"] == 1
    assert push.post(token, CHANGE, "/v1/acme/changes").json()["taken"] == 1
    push.transform()
    assert push.report("select count(*) from report.evidence_deployments") == [(14,)]
    assert push.report("select count(*) from report.evidence_incidents") == [(1,)]
    assert push.report("select count(*) from report.evidence_changes") == [(1,)]
    query = "select metric_value > 0 from report.kpi_current where metric_type = 'deployment_frequency'"
    assert push.report(query) == [(True,)]


def test_the_same_record_again_changes_nothing_and_a_new_form_replaces_it(push: Push) -> None:
    token = push.key("acme").secret
    assert push.post(token, DEPLOYMENT).status_code == 202
    first = push.rows("select loaded_xid::text, payload from raw.http_json_records")
    assert push.post(token, [DEPLOYMENT, DEPLOYMENT]).json()["taken"] == 2
    assert push.rows("select loaded_xid::text, payload from raw.http_json_records") == first
    assert push.post(token, [DEPLOYMENT, DEPLOYMENT | {"result": "failure"}]).json()["taken"] == 2
    assert push.records()["deployments:41"]["result"] == "failure", "the last one of a batch counts"


def test_ids_that_differ_only_in_case_are_two_records(push: Push) -> None:
    token = push.key("acme").secret
    assert push.post(token, [DEPLOYMENT | {"id": "Abc"}, DEPLOYMENT | {"id": "aBC"}]).json()["taken"] == 2
    push.transform()
    assert push.rows("select count(*) from core.deployments") == [(2,)]


FUTURE = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
BAD: dict[str, tuple[Any, str]] = {
    "no id": ({key: value for key, value in DEPLOYMENT.items() if key != "id"}, "id"),
    "no object": (17, "expected an object"),
    "a list": ([DEPLOYMENT], "expected an object"),
    "null": (None, "expected an object"),
    "an unknown result": (DEPLOYMENT | {"result": "perhaps"}, "result"),
    "no time": (DEPLOYMENT | {"created_at": "yesterday"}, "created_at"),
    "an end before the beginning": (DEPLOYMENT | {"finished_at": "2026-03-01T00:00:00Z"}, "finished_at"),
    "the future": (DEPLOYMENT | {"finished_at": FUTURE}, "finished_at.*future"),
    "a far future": (DEPLOYMENT | {"finished_at": "9999-12-31T23:59:59Z"}, "finished_at"),
    "a number beyond time": (DEPLOYMENT | {"finished_at": 10**30}, "finished_at"),
    "a boolean id": (DEPLOYMENT | {"id": True}, "id"),
    "an object as text": (DEPLOYMENT | {"service": {"name": "shop"}}, "service"),
    "a long id": (DEPLOYMENT | {"id": "x" * 501}, "id"),
    "many fields": (DEPLOYMENT | {f"f{number}": 1 for number in range(1001)}, "fields"),
    "an address that is none": (DEPLOYMENT | {"url": "javascript:alert(1)"}, "url"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_record_is_refused_and_kept_and_its_neighbours_are_taken(push: Push, kind: str) -> None:
    record, reason = BAD[kind]
    answer = push.post(push.key("acme").secret, [DEPLOYMENT | {"id": "a"}, record, DEPLOYMENT | {"id": "b"}])
    assert answer.status_code == 202, answer.text
    assert answer.json()["taken"] == 2
    (refused,) = answer.json()["refused"]
    assert refused["index"] == 1
    assert re.search(reason, refused["reason"]), refused
    assert set(push.records()) == {"deployments:a", "deployments:b"}
    assert [row[1] for row in push.rejects()] == [refused["reason"]]
    push.transform()
    assert push.rows("select count(*) from core.deployments") == [(2,)]


ODD = {
    "NaN": (b'{"id": "odd", "note": NaN}', "note"),
    "infinity": (b'{"id": "odd", "note": [1, -Infinity]}', "note.1"),
    "1e400": (b'{"id": "odd", "note": {"deep": 1e400}}', "note.deep"),
    "a lone surrogate": (b'{"id": "odd", "service": "\\ud800"}', "service"),
    "a lone surrogate as a key": (b'{"id": "odd", "\\udfff": 1}', "surrogate"),
    "a huge whole number": (b'{"id": "odd", "note": ' + b"9" * 5000 + b"}", "note"),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_not_quite_json_is_refused_alone(push: Push, kind: str) -> None:
    text, reason = ODD[kind]
    odd = json.dumps(DEPLOYMENT)[:-1].encode() + b", " + text[1:]
    body = b"[" + json.dumps(DEPLOYMENT | {"id": "good"}).encode() + b", " + odd + b"]"
    answer = push.post(push.key("acme").secret, body)
    assert answer.status_code == 202, answer.text
    assert answer.json()["taken"] == 1
    assert reason in answer.json()["refused"][0]["reason"]
    assert set(push.records()) == {"deployments:good"}
    assert [row[0] for row in push.rejects()] == ["deployments:odd"]


BODIES: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 400),
    "half": (b'[{"id": 1', 400),
    "text": (b'"hello"', 400),
    "null": (b"null", 400),
    "a form": (b"id=1&service=shop", 400),
    "latin-1": (b'{"id": "\xe9"}', 400),
    "deep nesting": (b"[" * 100_000 + b"]" * 100_000, 413),
    "a deep object": (b'{"a":' * 5000 + b"1" + b"}" * 5000, 413),
    "many values": (b"[" + b"1," * 300_000 + b"1]", 413),
    "too many records": (json.dumps([{"id": 1}] * (limits.BATCH_RECORDS + 1)).encode(), 413),
    "too many bytes": (b'{"id": "' + b"x" * limits.BODY_BYTES + b'"}', 413),
}


@pytest.mark.parametrize("kind", BODIES)
def test_an_odd_body_is_refused_whole(push: Push, kind: str) -> None:
    body, status = BODIES[kind]
    answer = push.post(push.key("acme").secret, body)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]
    assert push.records() == {}
    assert push.rejects() == []


def test_a_byte_order_mark_does_no_harm(push: Push) -> None:
    assert push.post(push.key("acme").secret, b"\xef\xbb\xbf" + json.dumps(DEPLOYMENT).encode()).status_code == 202


def test_a_compressed_body_is_not_opened(push: Push) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    assert push.post(push.key("acme").secret, bomb, **{"Content-Encoding": "gzip"}).status_code == 415


def test_a_body_without_a_length_is_bounded_too(push: Push) -> None:
    sent = 0

    def parts() -> Any:
        nonlocal sent
        for _ in range(100):
            sent += 2**18
            yield b" " * 2**18

    headers = {"Authorization": f"Bearer {push.key('acme').secret}"}
    answer = push.http.post("/v1/acme/deployments", content=parts(), headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize("length", ["-1", "1e3", "99999999999999999999999999", b"\xb2"])
def test_a_length_that_is_none_is_refused(push: Push, length: Any) -> None:
    assert push.post(push.key("acme").secret, DEPLOYMENT, **{"Content-Length": length}).status_code in (400, 413)


# ------------------------------------------------------------------------------------------------------------- keys


def test_every_route_asks_for_a_key(push: Push) -> None:
    """Over the app's own list of routes, so that a new one is tried, too."""
    document = push.http.get("/v1/openapi.json")
    assert document.status_code == 200
    tried = 0
    for path, methods in document.json()["paths"].items():
        address = path.format(client="acme", kind="github", source="github", key_id=1)
        for method in methods:
            for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Basic cHVsc2U6cHVsc2U="}):
                answer = push.http.request(method.upper(), address, headers=headers, json={"source": "ci"})
                assert answer.status_code == 401, (method, path, answer.text)
                tried += 1
    assert tried == 3 * 7
    assert [push.http.get(path).status_code for path in ("/docs", "/redoc", "/openapi.json")] == [404] * 3


@pytest.mark.parametrize("wrong", ["pulse_wrong", "", "x" * 9000, "ünïcode", "' or true --", "%00"])
def test_a_wrong_token_is_refused(push: Push, wrong: str) -> None:
    push.key("acme")
    headers = {"Authorization": f"Bearer {wrong}".encode()}
    answer = push.http.post("/v1/acme/deployments", json=DEPLOYMENT, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert push.records() == {}


def test_a_revoked_token_is_refused_from_the_next_request_on(push: Push) -> None:
    key, other = push.key("acme"), push.key("acme")
    assert push.post(key.secret, DEPLOYMENT).status_code == 202
    push.revoke("acme", key.id)
    assert push.post(key.secret, DEPLOYMENT | {"id": "2"}).status_code == 401
    assert push.post(other.secret, DEPLOYMENT | {"id": "3"}).status_code == 202
    assert set(push.records()) == {"deployments:41", "deployments:3"}


def test_a_token_of_another_client_learns_nothing(push: Push) -> None:
    token = push.key("acme").secret
    there, nowhere = (push.post(token, DEPLOYMENT, f"/v1/{slug}/deployments") for slug in ("globex", "nobody"))
    assert there.status_code == nowhere.status_code == 403
    assert there.json() == nowhere.json()
    assert push.records() == push.records("globex") == {}


def test_a_token_writes_to_its_own_source_only(push: Push) -> None:
    assert push.post(push.key("acme").secret, DEPLOYMENT).status_code == 202
    assert push.post(push.key("globex").secret, DEPLOYMENT, "/v1/globex/deployments").status_code == 202
    assert set(push.records()) == set(push.records("globex")) == {"deployments:41"}


def test_the_secret_of_a_webhook_is_no_token(push: Push) -> None:
    assert push.post(push.key("acme", "github").secret, DEPLOYMENT).status_code == 403


def test_the_token_of_a_source_or_client_that_is_not_active_is_refused(push: Push) -> None:
    token = push.key("acme").secret
    with push.db.connect("pulse_admin") as admin:
        admin.execute("update core.integrations set active = false where name = 'ci'")
    assert push.post(token, DEPLOYMENT).status_code == 401
    with push.db.connect("pulse_admin") as admin:
        admin.execute("update core.integrations set active = true where name = 'ci'")
        admin.execute("update core.clients set active = false where slug = 'acme'")
    assert push.post(token, DEPLOYMENT).status_code == 401


def test_no_key_is_stored_in_a_form_that_opens_anything(push: Push) -> None:
    made = [push.key("acme"), push.key("acme", "github")]
    with push.db.connect("pulse_admin") as admin:
        stored = repr(admin.execute("select * from core.ingest_keys").fetchall())
    assert all(key.secret not in stored and key.secret not in repr(key) for key in made)
    assert keys.digest(made[0].secret) in stored


@pytest.mark.parametrize(("slug", "source"), [("nobody", "ci"), ("acme", "none")])
def test_a_key_needs_a_source(push: Push, slug: str, source: str) -> None:
    with pytest.raises(KeyProblem, match=f"client {slug}"):
        push.key(slug, source)


# ----------------------------------------------------------------------------------------------------------- limits


def test_who_sends_too_much_is_told_when_to_come_again(push: Push, monkeypatch: pytest.MonkeyPatch) -> None:
    """Allowances are in units: a record is one, and a request counts as at least ten."""
    monkeypatch.setattr(limits, "UNITS_PER_SECOND", 0.5)
    monkeypatch.setattr(limits, "UNITS_AT_ONCE", 50.0)
    token, other = push.key("acme").secret, push.key("acme").secret
    with TestClient(create_app(lambda slug: True)) as push.http:
        assert push.post(token, deployments(30)).status_code == 202
        assert [push.post(token, DEPLOYMENT).status_code for _ in range(2)] == [202, 202]
        refused = push.post(token, DEPLOYMENT)
        assert refused.status_code == 429
        assert 15 <= int(refused.headers["retry-after"]) <= 20
        assert push.post(other, DEPLOYMENT).status_code == 202, "another key is not affected"


def test_guessing_slows_down(push: Push, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FAILURES_PER_SECOND", 0.01)
    with TestClient(create_app(lambda slug: True)) as push.http:
        codes = [push.post(f"guess-{number}", DEPLOYMENT).status_code for number in range(40)]
    assert codes[: int(limits.FAILURES_AT_ONCE)] == [401] * int(limits.FAILURES_AT_ONCE)
    assert 429 in codes


# ---------------------------------------------------------------------------------------------- declarations, replay


def test_a_declaration_maps_what_a_tool_sends(push: Push) -> None:
    stream = {
        "name": "builds",
        "entity": "deployments",
        "fields": {"id": "build.number", "service": "project", "sha": "build.commit"},
        "constants": {"environment": "production"},
        "values": {"result": {"SUCCESS": "success", "FAILURE": "failure", "ABORTED": None}},
    }
    push.declare("acme", streams=[stream])
    token = push.key("acme").secret
    sent = {
        "build": {"number": 12, "commit": "b" * 40},
        "project": "shop",
        "result": "SUCCESS",
        "created_at": 1772445600,
        "finished_at": 1772445900000,
    }
    answer = push.post(token, [sent, sent | {"result": "ABORTED"}, sent | {"finished_at": None}])
    assert answer.json() == {"taken": 1, "skipped": 2, "refused": []}
    assert push.records()["builds:12"] == {
        "id": "12",
        "service": "shop",
        "environment": "production",
        "result": "success",
        "sha": "b" * 40,
        "created_at": "2026-03-02T10:00:00+00:00",
        "finished_at": "2026-03-02T10:05:00+00:00",
    }
    assert push.post(token, INCIDENT, "/v1/acme/incidents").status_code == 404


def test_of_several_streams_of_one_kind_one_is_named(push: Push) -> None:
    push.declare("acme", streams=[{"name": name, "entity": "deployments"} for name in ("web", "mobile")])
    token = push.key("acme").secret
    assert "web, mobile" in push.post(token, DEPLOYMENT).json()["detail"]
    assert push.post(token, DEPLOYMENT, "/v1/acme/deployments?stream=mobile").status_code == 202
    assert push.post(token, DEPLOYMENT, "/v1/acme/deployments?stream=tv").status_code == 404
    assert set(push.records()) == {"mobile:41"}


def test_a_refused_record_can_be_replayed_and_is_closed_by_a_good_one(push: Push) -> None:
    token = push.key("acme").secret
    bad = [DEPLOYMENT | {"result": "SUCCESS"}, DEPLOYMENT | {"id": "2", "result": "SUCCESS"}]
    assert len(push.post(token, bad).json()["refused"]) == 2
    assert len(push.post(token, bad).json()["refused"]) == 2
    assert len(push.rejects()) == 2, "the same record is kept once"
    assert push.post(token, DEPLOYMENT).json()["taken"] == 1
    assert [row[0] for row in push.rejects()] == ["deployments:2"]
    values = {"result": {"SUCCESS": "success"}}
    push.declare("acme", streams=[{"name": "deployments", "entity": "deployments", "values": values}])
    assert push.source().replay_rejects() == (1, 0)
    assert push.rejects() == []
    assert set(push.records()) == {"deployments:41", "deployments:2"}


def test_a_source_that_is_only_pushed_to_has_nothing_to_read(push: Push) -> None:
    """It has no address and needs no Connection."""
    assert push.source().discover() == []


# ------------------------------------------------------------------------------------------------------------- runs


def test_records_start_a_run_only_where_the_setting_says_so(push: Push) -> None:
    push.declare("globex", {"ingest.triggers_run": True})
    assert push.post(push.key("acme").secret, DEPLOYMENT).status_code == 202
    token = push.key("globex").secret
    assert push.post(token, {"id": "bad"}, "/v1/globex/deployments").status_code == 202
    assert push.post(token, DEPLOYMENT, "/v1/globex/deployments").status_code == 202
    wait_for("a run", lambda: push.started, 10, 0.05)
    assert push.started == ["globex"]


def test_a_client_has_at_most_one_run_a_minute_and_no_wish_is_forgotten(push: Push) -> None:
    push.declare("acme", {"ingest.triggers_run": True})
    token = push.key("acme").secret
    for number in range(5):
        assert push.post(token, DEPLOYMENT | {"id": number}).status_code == 202
    wait_for("a run", lambda: push.started, 10, 0.05)
    assert push.post(token, DEPLOYMENT | {"id": "late"}).status_code == 202
    owner = push.db.connect("pulse_ingest", autocommit=True)
    assert owner.execute("select * from core.claim_runs()").fetchall() == []
    assert push.started == ["acme"]
    with push.db.connect("pulse_etl") as etl:
        etl.execute("select set_config('pulse.client_id', %s, true)", [str(push.ids["acme"])])
        etl.execute("update core.ingest_runs set claimed_at = claimed_at - interval '61 seconds'")
    wait_for("the second run", lambda: len(push.started) == 2, 15, 0.1)


# ------------------------------------------------------------------------------------------------- slow, many, no database


def asked(app: FastAPI, token: str, content: Any) -> httpx.Response:
    """The answer to a request whose body is an asynchronous iterator."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://pulse") as http:
            headers = {"Authorization": f"Bearer {token}"}
            return await http.post("/v1/acme/deployments", content=content, headers=headers)

    return asyncio.run(ask())


def test_a_body_that_does_not_come_is_not_waited_for(push: Push, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.3)

    async def drops() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" "
            await asyncio.sleep(0.05)

    begun = time.monotonic()
    assert asked(create_app(lambda slug: True), push.key("acme").secret, drops()).status_code == 408
    assert time.monotonic() - begun < 3


def test_more_requests_than_can_wait_are_told_to_come_again() -> None:
    release = threading.Event()

    async def crowd() -> list[Any]:
        gate = Gate(Store())
        waiting = [asyncio.create_task(gate.do(release.wait)) for _ in range(limits.WORKERS + limits.WAITING)]
        await asyncio.sleep(0)
        refused = await asyncio.gather(gate.do(release.wait), return_exceptions=True)
        release.set()
        assert await asyncio.gather(*waiting) == [True] * len(waiting)
        return refused

    (refused,) = asyncio.run(crowd())
    assert isinstance(refused, HTTPException)
    assert (refused.status_code, refused.headers) == (503, {"Retry-After": "1"})


def test_without_the_database_nothing_is_acknowledged(push: Push, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_PULSE_INGEST", f"postgresql://pulse_ingest:x@127.0.0.1:{free_port()}/pulse")
    with TestClient(create_app(lambda slug: True)) as http:
        for path, headers in (
            ("/v1/acme/deployments", {"Authorization": f"Bearer {push.key('acme').secret}"}),
            ("/v1/acme/webhooks/github/github", {"X-Hub-Signature-256": "sha256=" + "0" * 64}),
        ):
            answer = http.post(path, json=DEPLOYMENT, headers=headers)
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            assert "127.0.0.1" not in answer.text
