"""Records that a tool pushes: who may, what is taken, and that they become numbers like any other."""

from __future__ import annotations

import gzip
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pulse.ingest import limits
from tests.ingest.conftest import CHANGE, DEPLOYMENT, INCIDENT, Push
from tests.support.airflow_api import wait_for


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
}
MADE_STORABLE = {
    "1e400": b'{"id": "odd", "note": {"deep": 1e400}}',
    "a lone surrogate": b'{"id": "odd", "note": "\\ud800"}',
    "a lone surrogate as a key": b'{"id": "odd", "\\udfff": 1}',
    "a huge whole number": b'{"id": "odd", "note": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("kind", MADE_STORABLE)
def test_json_that_nobody_can_store_is_made_storable(push: Push, kind: str) -> None:
    odd = json.dumps(DEPLOYMENT)[:-1].encode() + b", " + MADE_STORABLE[kind][1:]
    body = b"[" + json.dumps(DEPLOYMENT | {"id": "good"}).encode() + b", " + odd + b"]"
    answer = push.post(push.key("acme").secret, body)
    assert answer.json() == {"taken": 2, "skipped": 0, "refused": []}
    assert set(push.records()) == {"deployments:good", "deployments:odd"}
    push.transform()
    assert push.rows("select count(*) from core.deployments") == [(2,)]


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
