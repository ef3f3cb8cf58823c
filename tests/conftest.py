"""Fixtures for all tests: a real PostgreSQL primary and replica, one database per test, the running stack, the sandbox.

No test reaches a network other than loopback.

`./pulse test` runs three workers (pytest-xdist). Each worker has a database cluster and a sandbox of its own. There is one
stack: the tests that use it run one after the other on one worker, but for those that change nothing there
(`pytest.mark.reads_stack`), which another worker runs at the same time. What stops processes of the stack, or changes
what everybody sees or a demo client's Variable, has it alone (`pytest.mark.stops_stack`).
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pulse import environ
from stack import files
from stack.postgres.cluster import Cluster
from tests.support.database import TEMPLATE, TestDatabase, temporary_cluster
from tests.support.network import forbid_network
from tests.support.servers import free_port

ROOT = Path(__file__).resolve().parents[1]
SECRET = "secret-of-the-tests"
SANDBOX_ANCHOR = "2026-06-30"
FIXTURES = environ.FIXTURES.get()


# Session fixtures that must not be used by two workers at once: there is one stack, and one folder that npm installs into.
SHARED = ("stack", "published")
MARKS = (
    "reads_stack: changes nothing in the stack that another test could notice",
    "stops_stack: stops processes of the stack, or changes what other tests go by: none may use it meanwhile",
)


def pytest_configure(config: pytest.Config) -> None:
    for mark in MARKS:
        config.addinivalue_line("markers", mark)


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep together on one worker what shares something. The largest group, the stack's, is the first to start."""
    for item in items:
        group = _group_of(item)
        if group is not None:
            item.add_marker(pytest.mark.xdist_group(group))


def _group_of(item: pytest.Item) -> str | None:
    """A shared session fixture, or the folder or file when the test uses a fixture made once for it; None: runs anywhere."""
    info = getattr(item, "_fixtureinfo", None)
    definitions = info.name2fixturedefs if info is not None else {}
    for name in SHARED:
        if name in definitions:
            return f"{name} read" if item.get_closest_marker("reads_stack") else name
    if any(found[-1].scope == "package" for found in definitions.values()):
        return item.nodeid.partition("::")[0].rpartition("/")[0]
    of_the_file = any(found[-1].scope == "module" for found in definitions.values())
    return item.nodeid.partition("::")[0] if of_the_file else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Hold the stack while a test uses it: alone, or with the others that do not need it alone."""
    if environ.STATE.given() is None or "stack" not in getattr(item, "fixturenames", ()):
        return (yield)
    # Who waits for the stack alone keeps the gate, so that no other goes on before.
    gate, used = (environ.STATE.get() / f"stack-{name}.lock" for name in ("gate", "tests"))
    with contextlib.ExitStack() as held:
        with files.locked(gate):
            held.enter_context(files.locked(used, shared=item.get_closest_marker("stops_stack") is None))
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def only_loopback() -> None:
    """Make any connection of this process to another machine raise NetworkForbidden."""
    forbid_network()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A primary and, once a test uses it, its streaming replica; the database pulse_template is migrated."""
    with temporary_cluster(SECRET, light=True) as made:
        yield made


@pytest.fixture
def db(cluster: Cluster) -> Iterator[TestDatabase]:
    """A migrated database for this test alone; dropped afterwards."""
    with TestDatabase.clone(cluster, TEMPLATE) as database:
        yield database


@pytest.fixture(scope="session")
def stack() -> dict[str, Any]:
    """`./pulse status --json` of the stack that `./pulse test` started."""
    if environ.STATE.given() is None:
        pytest.skip("needs the running stack: ./pulse test")
    done = subprocess.run([str(ROOT / "pulse"), "status", "--json"], capture_output=True, text=True, timeout=120)
    status: dict[str, Any] = json.loads(done.stdout)
    assert status["healthy"], done.stdout
    return status


@dataclass(frozen=True)
class SandboxServer:
    """The simulated GitHub and Jira, listening on `url`. Its clock is stopped at noon of the anchor day."""

    url: str
    anchor: str

    def set_clock(self, now: str | None) -> None:
        """Stop the world's clock at an ISO time; None: at its start again."""
        self._post("clock", {"now": now or f"{self.anchor}T12:00:00+00:00"})

    def add_fault(self, **fault: Any) -> None:
        """Order an answer for the next requests: see sandbox.state.Fault."""
        self._post("faults", fault)

    def mutate(self, organisation: str, seed: int, steps: int = 1, **limits: Any) -> list[str]:
        """Change the world at the clock's time (see sandbox.world.mutate); returns the changes. A reset undoes them."""
        done: list[str] = self._post("mutate", {"organisation": organisation, "seed": seed, "steps": steps, **limits})
        return done

    def chaos(self, seed: int, rate: float, **changes: Any) -> dict[str, int]:
        """Let a share of the requests fail from now on, and change the world before some (organisation, change_rate). Returns
        the faults so far, by kind."""
        done: dict[str, int] = self._post("chaos", {"seed": seed, "rate": rate, **changes})
        return done

    def set(self, **settings: Any) -> None:
        """Change how the sandbox behaves until its next reset: see sandbox.app.set_settings."""
        self._post("settings", settings)

    def add_header(self, name: str, value: str) -> None:
        """Send a header with every answer from now on."""
        self._post("headers", {name: value})

    def add_github_app(self, **app: Any) -> None:
        """Install a GitHub App: app_id, public_key, organisation, token_seconds."""
        self._post("github_apps", app)

    def counters(self) -> dict[str, Any]:
        """Calls by path, points by credential, and the requests with the names of their parameters, since the last reset."""
        with urllib.request.urlopen(f"{self.url}/_sandbox/counters", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def faults_end(self) -> None:
        """Forget the ordered faults, and nothing else."""
        self._post("faults/end", {})

    def pull_requests(self, owner: str, name: str) -> int:
        """How many pull requests a repository has."""
        url, request = f"{self.url}/github/repos/{owner}/{name}/pulls?per_page=1", urllib.request.Request
        headers = {"Authorization": f"Bearer ghp_sandbox_{owner}"}
        with urllib.request.urlopen(request(url, headers=headers), timeout=10) as answer:
            last = re.search(r'page=(\d+)>; rel="last"', answer.headers.get("Link", ""))
        return int(last[1]) if last else 1

    def calls(self) -> int:
        """The number of calls since the last reset."""
        return sum(self.counters()["calls"].values())

    def reset(self) -> None:
        """Clear faults, counters and budgets, undo changes of the world, and set the clock back."""
        self._post("reset", {})
        self.set_clock(None)

    def _post(self, what: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            f"{self.url}/_sandbox/{what}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


@pytest.fixture(scope="session")
def sandbox_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    """A sandbox process for the tests alone, with a fixed world."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    options = ["--anchor", SANDBOX_ANCHOR, "--frozen", f"{SANDBOX_ANCHOR}T12:00:00+00:00"]
    if (FIXTURES / "recorded").is_dir():
        options += ["--recorded", str(FIXTURES / "recorded")]
    log = tmp_path_factory.mktemp("sandbox") / "sandbox.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "--port", str(port), *options],
            cwd=ROOT,
            stdout=out,
            stderr=out,
        )
    try:
        _wait_for_http(f"{url}/health", process, log)
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv(environ.PRIVATE_URLS.name, f"127.0.0.1:{port}")
            yield SandboxServer(url, SANDBOX_ANCHOR)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_http(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(url, timeout=5):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"no answer from {url}:\n{log.read_text()[-4000:]}")
        time.sleep(0.1)


@pytest.fixture
def two_clients(db: TestDatabase) -> tuple[int, int]:
    """Two clients, each with a GitHub and a Jira integration."""
    ids = (db.add_client("techcorp", "TechCorp"), db.add_client("acme", "Acme"))
    for client_id in ids:
        db.add_integration(client_id, "github")
        db.add_integration(client_id, "jira")
    return ids


def pytest_report_header() -> str:
    return f"libpq {psycopg.pq.version()}, psycopg {psycopg.__version__}"
