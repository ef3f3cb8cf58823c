"""The upstream is away for a day, and the machine's clock jumps."""

from __future__ import annotations

import dataclasses
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from stack.context import Stack
from stack.supervision.programs import DATABASES, programs
from tests.drills.conftest import CLIENTS, Figure, numbers, pulse, run_at_work
from tests.drills.witness import Contents, Mailbox, watch
from tests.support.airflow_api import AirflowApi, wait_for
from tests.support.stack import login_of

RUNS = 2  # of the day's 24
DAY = "interval '1 day'"
SOURCE = Path(__file__).with_name("clock.c")
HOURS = 3  # of each jump


def sandbox(stack: dict[str, Any], path: str, **body: Any) -> Any:
    """Ask the simulated upstream for something."""
    answer = requests.post(f"{stack['addresses']['sandbox']}/_sandbox/{path}", json=body, timeout=60)
    answer.raise_for_status()
    return answer.json()


def change_upstream(stack: dict[str, Any], seed: int) -> list[str]:
    """Let people work at Acme's for a while."""
    changes: list[str] = sandbox(stack, "mutate", organisation="acme", seed=seed, steps=20)
    assert changes
    return changes


def pull_requests_upstream(stack: dict[str, Any], contents: Contents, client: int) -> dict[str, int]:
    """How many pull requests each of a client's repositories has upstream."""
    repositories = {key.rpartition(" ")[0] for key in contents.rows["pull request", client]}
    found = {}
    for name in repositories:
        answer = requests.get(
            f"{stack['addresses']['sandbox']}/github/repos/{name}/pulls",
            params={"state": "all", "per_page": 100},
            headers={"Authorization": f"Bearer ghp_sandbox_{name.partition('/')[0]}"},
            timeout=60,
        )
        answer.raise_for_status()
        pages = answer.links
        count = len(answer.json())
        while "next" in pages:
            answer = requests.get(pages["next"]["url"], headers=answer.request.headers, timeout=60)
            count, pages = count + len(answer.json()), answer.links
        found[name] = count
    return found


def check_all_read(installation: Stack, stack: dict[str, Any], client: int) -> None:
    """Every pull request that Acme has upstream is stored."""
    contents = Contents(installation)
    stored: dict[str, int] = {}
    for key in contents.rows["pull request", client]:
        name = key.rpartition(" ")[0]
        stored[name] = stored.get(name, 0) + 1
    assert stored == pull_requests_upstream(stack, contents, client)


def acme(installation: Stack) -> int:
    with installation.cluster.primary.connect(database="pulse") as superuser:
        row = superuser.execute("select id from core.clients where slug = 'acme'").fetchone()
    assert row is not None
    return int(row[0])


def test_the_upstream_is_away_for_a_day(
    installation: Stack, stack: dict[str, Any], airflow: AirflowApi, figure: Figure, mailbox: Mailbox
) -> None:
    """Its runs use up their retries and fail, the data team is told once, and afterwards everything is there.

    The day is not waited: a few runs are made, and what they have noted is dated back by a day.
    """
    client, before, mails = acme(installation), Contents(installation), len(mailbox.taken)
    sandbox(stack, "faults", path_regex="^/(github|jira|custom)/", count=10**9, status=503)
    try:
        began = time.monotonic()
        for _ in range(RUNS):
            assert airflow.wait_run("pulse__acme", airflow.trigger("pulse__acme"), 900) == "failed"
            assert watch(airflow) == "success"
        figure("upstream away: a run gives up after", (time.monotonic() - began) / RUNS)
        assert len(mailbox.told("acme", mails)) == 1, mailbox.taken[mails:]
        with installation.cluster.primary.connect(database="pulse") as superuser:
            moved = f"started_at = started_at - {DAY}, finished_at = finished_at - {DAY}"
            superuser.execute(f"update core.etl_runs set {moved} where client_id = %s".encode(), [client])
            superuser.execute(f"update core.alerts set begun_at = begun_at - {DAY}, told_at = told_at - {DAY}".encode())
        assert airflow.wait_run("pulse__acme", airflow.trigger("pulse__acme"), 900) == "failed"
        assert watch(airflow) == "success"
        assert len(mailbox.told("acme", mails)) == 1, "told again after a day"
        assert all(numbers(stack, slug) for slug in CLIENTS), "the numbers of before are not shown"
        changed = change_upstream(stack, 1)
    finally:
        requests.post(f"{stack['addresses']['sandbox']}/_sandbox/faults/end", json={}, timeout=30).raise_for_status()
    began = time.monotonic()
    assert airflow.wait_run("pulse__acme", airflow.trigger("pulse__acme"), 900) == "success"
    figure(f"upstream back after a day with {len(changed)} changes: all of them are there", time.monotonic() - began)
    Contents(installation).check_since(before)
    check_all_read(installation, stack, client)
    assert watch(airflow) == "success"
    assert len(mailbox.told("acme", mails, over=True)) == 1
    assert len(mailbox.told("acme", mails)) == 1


class JumpingClock:
    """The time as every process of the stack sees it, by how much it differs from the real one: clock.c."""

    def __init__(self, installation: Stack) -> None:
        self.installation = installation
        home = installation.cluster.home  # which the servers' account reaches
        self.file, self.library = home / "drill.clock", home / "drill-clock.so"
        build = ["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(self.library), str(SOURCE), "-ldl"]
        subprocess.run(build, check=True)
        self.file.write_bytes(struct.pack("l", 0))
        for path in (self.file, self.library):
            path.chmod(0o755)

    def jump(self, hours: int) -> None:
        """Set the clock to this many hours after the real time."""
        with self.file.open("r+b") as place:  # the same file: the processes have mapped it
            place.write(struct.pack("l", hours * 3600))

    def wait_seen(self, hours: int) -> None:
        """Wait until the primary is of that time."""
        with self.installation.cluster.primary.connect() as superuser:

            def differs() -> float:
                row = superuser.execute("select extract(epoch from clock_timestamp())").fetchone()
                assert row is not None
                return (float(row[0]) - time.time()) / 3600

            wait_for("the jump", lambda: abs(differs() - hours) < 0.1, 30)

    def install(self) -> None:
        """Start every process but the upstream again under this clock."""
        stack = self.installation
        variables = {"LD_PRELOAD": str(self.library), "DRILL_CLOCK": str(self.file)}
        wanted = [
            program
            if program.name == "sandbox"
            else dataclasses.replace(program, environment=program.environment | variables)
            for program in programs(stack.settings, stack.cluster, stack.options)
        ]
        stack.supervisor.change(wanted)
        for names in (list(DATABASES), [name for name in stack.names if name not in DATABASES]):
            for name in names:
                stack.supervisor.start_process(name)
            stack.wait_healthy(names, 240)


@pytest.fixture
def jumping(installation: Stack) -> Iterator[JumpingClock]:
    if not shutil.which("cc"):
        pytest.skip("needs a C compiler: apt-get install gcc libc6-dev")
    clock = JumpingClock(installation)
    clock.install()
    yield clock
    pulse("up")  # as it was
    clock.file.unlink()
    clock.library.unlink()


def test_the_clock_jumps(
    installation: Stack, stack: dict[str, Any], jumping: JumpingClock, figure: Figure, mailbox: Mailbox
) -> None:
    """Forward by hours and back again, both in the middle of a run: nothing that the upstream has is passed over."""
    login = login_of(stack, "airflow", "admin")
    client, before, mails = acme(installation), Contents(installation), len(mailbox.taken)

    def signed_in() -> AirflowApi:
        """A new session: the token of before may be too old by the new time, or not valid yet."""
        return AirflowApi(stack["addresses"]["airflow"], login["username"], login["password"])

    for number, (hours, what) in enumerate([(HOURS, "forward"), (0, "back")]):
        run_id = run_at_work(signed_in())
        jumping.jump(hours)
        began = time.monotonic()
        jumping.wait_seen(hours)
        wait_for("everything to be healthy", lambda: all(h.healthy for h in installation.health()), 180)
        assert signed_in().wait_run("pulse__acme", run_id, 900) == "success"
        figure(f"clock {HOURS} hours {what} during a run: the run has ended well", time.monotonic() - began)
        change_upstream(stack, 10 + number)
        assert signed_in().wait_run("pulse__acme", signed_in().trigger("pulse__acme"), 900) == "success"
        check_all_read(installation, stack, client)
        assert all(numbers(stack, slug) for slug in CLIENTS)
    Contents(installation).check_since(before)
    assert len(mailbox.told("acme", mails)) <= 1
