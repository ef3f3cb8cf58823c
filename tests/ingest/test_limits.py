"""Limits: who sends too much, too slowly or too many at once is told so; and nothing is acknowledged without the database."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient

from pulse.ingest import limits
from pulse.ingest.app import create_app
from pulse.ingest.gate import Gate
from pulse.ingest.store import Store
from tests.ingest.conftest import DEPLOYMENT, Push
from tests.support.servers import free_port


def deployments(count: int) -> list[dict[str, Any]]:
    return [DEPLOYMENT | {"id": str(number)} for number in range(count)]


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
