"""Superset's caches: a place for each client, in folders or in Redis, and no page fails because Redis is away."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from stack.paths import ROOT, SUPERSET_VENV
from tests.support.servers import free_port

CODE = """
import sys
sys.path[:0] = [{root!r} + "/superset", {root!r} + "/plugins"]
from types import SimpleNamespace
from flask import Flask, g
from pulse_superset.client_cache import by_client, of_redis
config = {config!r}
cache = by_client(None, config, [], {{}})
with Flask("x").app_context():
    for clients in ({{1}}, {{2}}, set()):
        g.pulse_identity = SimpleNamespace(clients=clients)
        print(cache.get("word"), cache.has("word"), cache.set("word", sorted(clients)), cache.get("word"))
    g.pulse_identity = SimpleNamespace(clients={{1}})
    print(cache.get("word"), cache.delete("word"), cache.add("word", 5), cache.get("word"))
"""


def said(config: dict[str, object], text: str = CODE) -> list[str]:
    """What a cache with these settings answers to two clients and to staff, one after the other."""
    code = text.format(root=str(ROOT), config=config)
    python = str(SUPERSET_VENV / "bin" / "python")
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.splitlines()


@pytest.fixture(autouse=True)
def installed() -> None:
    if not (SUPERSET_VENV / "bin" / "python").exists():
        pytest.skip("Superset is not installed: ./pulse up")


def test_one_word_is_another_key_in_another_clients_hands(tmp_path: Path) -> None:
    answers = said({"CACHE_DIR": str(tmp_path), "CACHE_THRESHOLD": 10, "CACHE_DEFAULT_TIMEOUT": 60})
    assert answers == [
        "None False True [1]",
        "None False True [2]",
        "None False True []",
        "[1] True True 5",
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"client-1", "client-2", "staff"}


def test_while_redis_is_away_nothing_is_cached_and_nothing_fails() -> None:
    url = f"redis://:secret@127.0.0.1:{free_port()}/1"
    answers = said({"CACHE_REDIS_URL": url, "CACHE_KEY_PREFIX": "data:", "CACHE_DEFAULT_TIMEOUT": 60})
    assert answers == ["None False None None"] * 3 + ["None False False None"]


def test_a_redis_that_does_not_answer_delays_a_page_once() -> None:
    asked_often = """
import sys, time
sys.path[:0] = [{root!r} + "/superset", {root!r} + "/plugins"]
from pulse_superset.client_cache import REDIS_SECONDS, of_redis
cache = of_redis(None, {config!r}, [], {{}})
began = time.monotonic()
print([cache.get("word") for _ in range(20)] == [None] * 20, cache.get_many("a", "b"), cache.set_many({{"a": 1}}))
print(time.monotonic() - began < 1.5 * REDIS_SECONDS)
"""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://cache:secret@127.0.0.1:{silent.getsockname()[1]}/1"
        answers = said({"CACHE_REDIS_URL": url, "CACHE_KEY_PREFIX": "app:", "CACHE_DEFAULT_TIMEOUT": 60}, asked_often)
    assert answers == ["True [None, None] []", "True"]
