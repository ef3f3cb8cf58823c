"""Whatever an upstream sends: a task ends with a clear error, stays below 300 MB, and stores nothing it cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from http.server import ThreadingHTTPServer

import pytest

from pulse import environ
from pulse.sources.base import Credential, Integration
from pulse.sources.guard import ALLOW_VARIABLE
from tests.conftest import ROOT
from tests.support.database import TestDatabase
from tests.support.hostile import CONFIG, TRICKS, hostile

MEMORY_MB = 300
ONE_ANSWER = [
    *("bomb", "bomb_in_a_bomb", "bomb_in_an_error", "bomb_in_a_redirect", "endless_body", "drip", "drip_of_headers"),
    *("endless_continue", "nested", "nested_deeper", "many_values", "many_fields", "wide_text", "unfinished_text"),
    *("giant_header", "parked", "reset_in_another_age"),
]
TOO_LARGE = ("bomb", "endless_body")
# The type that the trick is for, and what its error says.
PAGES = {
    "endless_cursors": ("http_json", "has read more than 3000 records"),
    "long_cursor": ("http_json", "the name of the next page is"),
    "wide_records": ("http_json", ""),
    "wide_texts": ("http_json", ""),
    "unreadable_records": ("http_json", "has read more than 3000 records"),
    "long_ids": ("http_json", "50 of 50 records could not be read"),
    "endless_boards": ("jira", ""),  # an optional part: a warning
    "endless_projects": ("jira", "belong together"),
    "endless_repositories": ("github", "belong together"),
}
SCRIPT = """
import json, sys
from pulse.sources import bounds, http
from tests.support.extraction import run_from_environment
bounds.ANSWER_SECONDS, bounds.RECORDS = 2.0, int(sys.argv[1])
http.TRIES, http.MAX_WAIT_SECONDS = 2, 1.0
for argument in sys.argv[2:]:
    open("/proc/self/clear_refs", "w").write("5")  # the peak starts again
    error = ""
    try:
        run_from_environment([argument])
    except Exception as caught:
        error = f"{type(caught).__name__}: {caught}"
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(json.dumps({"error": error, "peak_mb": int(peak.split()[1]) // 1024}))
"""


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    with hostile() as server:
        yield server


def extract(
    db: TestDatabase, upstream: ThreadingHTTPServer, kind: str, tricks: list[str], records: int = 3000
) -> dict[str, tuple[str, int]]:
    """Extract in a process of its own, one trick after the other: the error and the peak of memory in MB of each."""
    arguments = []
    for trick in tricks:
        url = f"http://127.0.0.1:{upstream.server_port}/{trick}"
        client_id = db.add_client(trick)
        identity = db.add_integration(client_id, kind, base_url=url, config_data=CONFIG[kind])
        integration = Integration(client_id, trick, identity, kind, kind, url, f"{kind}__{trick}", CONFIG[kind])
        credential = Credential("login", "hostile-token")
        arguments.append(json.dumps({"integration": asdict(integration), "credential": asdict(credential)}))
    env = {**os.environ, **db.conn_env(), "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}"}
    env[ALLOW_VARIABLE] = f"127.0.0.1:{upstream.server_port}"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(records), *arguments],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    results = [json.loads(line) for line in done.stdout.splitlines()]
    for trick, result in zip(tricks, results, strict=True):
        print(f"{kind} {trick}: {result['peak_mb']} MB, {result['error'][:300]}")
    return {trick: (one["error"], one["peak_mb"]) for trick, one in zip(tricks, results, strict=True)}


@pytest.mark.parametrize("kind", CONFIG)
def test_one_answer(db: TestDatabase, upstream: ThreadingHTTPServer, kind: str) -> None:
    """All types pass the same bounds: by default one of them meets every trick, the others every third."""
    every = kind == "http_json" or environ.EXAMPLES.given() is not None
    for trick, (error, peak_mb) in extract(db, upstream, kind, ONE_ANSWER[:: 1 if every else 3]).items():
        name, _, text = error.partition(": ")
        assert name in ("TooMuch", "UpstreamError", "AuthError", "ConfigError", "RateLimited"), f"{trick}: {error}"
        assert text.startswith(f"client {trick}, {kind}: ")
        assert "hostile-token" not in error
        assert peak_mb < MEMORY_MB, trick
        if trick in TOO_LARGE:
            assert "one answer is larger than 8 MB" in text, f"{trick}: {error}"


@pytest.mark.parametrize("kind", CONFIG)
def test_pages_and_records(db: TestDatabase, upstream: ThreadingHTTPServer, kind: str) -> None:
    tricks = [trick for trick, (of, _) in PAGES.items() if of == kind]
    for trick, (error, peak_mb) in extract(db, upstream, kind, tricks).items():
        assert PAGES[trick][1] in error, f"{trick}: {error}"
        assert not error or f"client {trick}, {kind}: " in error
        assert peak_mb < MEMORY_MB, trick


def test_every_trick_is_tried() -> None:
    assert set(TRICKS) == {*ONE_ANSWER, *PAGES}
