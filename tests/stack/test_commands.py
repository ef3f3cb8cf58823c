"""The command line as a person meets it."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stack.cli import total_steps
from stack.context import Stack
from stack.install import doctor
from stack.install import packages as install
from stack.install.uv import runs
from stack.options import Options
from stack.paths import ROOT
from stack.ports import StackPorts
from stack.postgres.cluster import Cluster
from stack.secret_file import load_secrets
from stack.settings import Settings
from stack.supervision.supervisor import Supervisor
from stack.testing import IN_PARALLEL, closing_line, counts, spread
from stack.up import Up


def pulse(*arguments: str, state: Path, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "pulse"), *arguments],
        cwd=cwd or ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": os.environ["PATH"], "PULSE_STATE": str(state), **env},
    )


def test_help_lists_the_commands(tmp_path: Path) -> None:
    done = pulse("--help", state=tmp_path, cwd=tmp_path)
    assert done.returncode == 0
    for command in ("up", "down", "status", "logs", "reset", "psql", "test", "bench", "doctor"):
        assert re.search(rf"^ +{command} ", done.stdout, re.M), command


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["upp"], 2, "invalid choice"),
        (["up", "--recordet", "x"], 2, "--recordet"),
        (["up", "--demo", "--no-demo"], 2, "not allowed with"),
        (["psql"], 1, "has not been started here yet: ./pulse up"),
        (["logs"], 1, "there are no logs yet"),
        (["logs", "supersett"], 1, "there is no log supersett"),
        (["reset"], 1, "nothing was changed"),
        (["failover"], 1, "has not been started here yet: ./pulse up"),
        (["backup"], 1, "has not been started here yet: ./pulse up"),
        (["restore", "--to", "yesterday", "--yes"], 1, "write it as 2026-11-30T09:15 (UTC)"),
        (["restore", "--to", "2999-01-01", "--yes"], 1, "that is in the future"),
        (["restore", "--to", "latest"], 1, "nothing was changed"),
        (["bench", "no_such_bench"], 2, "there is no benchmark no_such_bench"),
        (["ctl", "stop", "primary"], 1, "does not run"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_errors_say_what_to_do(tmp_path: Path, arguments: list[str], code: int, says: str) -> None:
    done = pulse(*arguments, state=tmp_path)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_status_of_nothing(tmp_path: Path) -> None:
    done = pulse("status", "--json", state=tmp_path / "none")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {
        "state": "stopped",
        "healthy": False,
        "processes": [],
        "addresses": {},
        "logins": [],
    }
    assert not (tmp_path / "none").exists(), "looking changes nothing"


def test_down_of_nothing_is_no_error(tmp_path: Path) -> None:
    done = pulse("down", state=tmp_path)
    assert (done.returncode, done.stdout) == (0, "Nothing runs.\n")


def test_reset_deletes_data_and_secrets(tmp_path: Path) -> None:
    for name in ("secrets.env", "logs/x.log", "airflow/airflow.cfg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert pulse("reset", "--yes", state=tmp_path).returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_up_stops_early_when_the_state_folder_cannot_be_used(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("x")
    done = pulse("up", state=blocker / "state")
    assert done.returncode == 1
    assert "PULSE_STATE" in done.stderr
    assert "Traceback" not in done.stderr


def test_recorded_payloads_must_exist(tmp_path: Path) -> None:
    done = pulse("up", "--recorded", "no/such/folder", state=tmp_path / "state", PULSE_PORT_BASE="22000")
    assert done.returncode == 1
    assert "--recorded no/such/folder: there is no such folder" in done.stderr


# --- which Python -----------------------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in which nothing was installed."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "stack", folder / "stack")
    shutil.copytree(ROOT / "plugins", folder / "plugins")
    shutil.copy(ROOT / "pulse", folder / "pulse")
    return folder


def under(version: tuple[int, int], checkout: Path, path: str) -> subprocess.CompletedProcess[str]:
    """./pulse --help as another Python would run it."""
    script = str(checkout / "pulse")
    code = (
        f"import runpy, sys\nsys.version_info = {(*version, 0, 'final', 0)}\n"
        f"sys.argv = ['pulse', '--help']\nrunpy.run_path({script!r}, run_name='__main__')"
    )
    env = {"PATH": path, "HOME": str(checkout)}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)


def fake(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_another_python_hands_over_to_one_that_is_supported(tmp_path: Path, checkout: Path) -> None:
    fake(tmp_path / "bin", install.PYTHON, f'exec {sys.executable} "$@"')
    done = under((3, 13), checkout, f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert done.returncode == 0
    assert "usage: pulse" in done.stdout


def test_a_python_that_does_not_run_is_passed_over(tmp_path: Path, checkout: Path) -> None:
    """Such as the stand-in that a version manager leaves for a version that is not chosen."""
    for name in ("python3.11", "python3.12"):
        fake(tmp_path / "bin", name, "echo 'command not found'; exit 127")
    fake(tmp_path / "bin", "uv", 'case "$1" in --version) exit 0;; *) echo "cannot download" >&2; exit 1;; esac')
    done = under((3, 13), checkout, f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert done.returncode == 1
    assert "Pulse needs Python 3.11 or 3.12; this is Python 3.13" in done.stderr
    assert "apt-get install python3.11-venv" in done.stderr
    assert "cannot download" in done.stderr


def test_a_python_that_uv_fetches_is_used(tmp_path: Path, checkout: Path) -> None:
    fetch = f'd="$UV_PYTHON_INSTALL_DIR/x/bin"; mkdir -p "$d"; ln -s {sys.executable} "$d/{install.PYTHON}"'
    fake(tmp_path / "bin", "uv", f'case "$1" in --version) exit 0;; *) {fetch};; esac')
    for name in ("python3.11", "python3.12"):
        fake(tmp_path / "bin", name, "exit 127")
    done = under((3, 9), checkout, f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert done.returncode == 0, done.stderr
    assert "usage: pulse" in done.stdout


def test_what_runs_before_the_installation_needs_no_package() -> None:
    modules = "stack.cli, stack.install.doctor, stack.install.lock, deploy.render"
    code = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'plugins')!r}]; import {modules}"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_runs_first_runs_under_3_9() -> None:
    """Syntax only; the launcher itself is started under every Python that this machine has."""
    for name in (
        "pulse",
        "stack/install/python.py",
        "stack/install/uv.py",
        "stack/paths.py",
        "plugins/pulse/environ.py",
    ):
        ast.parse((ROOT / name).read_text(), feature_version=(3, 9))


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"])
def test_the_launcher_starts_under_any_python(version: str, tmp_path: Path) -> None:
    homes = [*Path.home().glob(f".pyenv/versions/{version}.*/bin/python"), shutil.which(f"python{version}")]
    python = next((str(home) for home in homes if home and runs([str(home), "-c", ""])), None)
    if python is None:
        return  # nothing to be tested, and no fault of this machine
    done = subprocess.run([python, str(ROOT / "pulse"), "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: pulse" in done.stdout


# --- doctor -----------------------------------------------------------------------------------------------------


def findings(check: object) -> list[doctor.Finding]:
    return list(check())  # type: ignore[operator]


def test_every_problem_comes_with_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_STATE", str(tmp_path))
    monkeypatch.setattr(doctor, "FREE_DISK_MB", 10**9)
    monkeypatch.setattr(doctor, "NEEDED_MEMORY_MB", 10**9)
    monkeypatch.setattr(doctor.platform, "machine", lambda: "sparc")
    monkeypatch.setattr(doctor, "CHROMIUM", ("no-such-browser",))
    for check in (doctor.check_disk, doctor.check_memory, doctor.check_system, doctor.check_chromium):
        found = [f for f in findings(check) if f.level != "ok"]
        assert found, check.__name__
        assert all(f.advice for f in found), check.__name__


def test_doctor_reports_a_half_finished_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "venv").mkdir()
    half = install.PackageSet(tmp_path / "venv", install.AIRFLOW.requirements, install.AIRFLOW.lock)
    monkeypatch.setattr(install, "AIRFLOW", half)
    first = findings(doctor.check_installation)[0]
    assert first.what == "Airflow environment: an installation did not finish"
    assert "afresh" in first.advice


def test_doctor_reports_secrets_that_others_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_STATE", str(tmp_path))
    (tmp_path / "secrets.env").write_text("x")
    (tmp_path / "secrets.env").chmod(0o644)
    assert any("others may read" in f.what for f in findings(doctor.check_state_folder))


# --- the closing line of ./pulse test ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suites", "code", "line"),
    [
        ('<testsuite tests="5" failures="0" errors="0" skipped="0"/>', 0, "5 passed, 0 failed"),
        ('<testsuite tests="7" failures="1" errors="1" skipped="2"/>', 1, "3 passed, 2 failed, 2 skipped"),
        ('<testsuite tests="4" failures="0" errors="0" skipped="0"/>', 3, "4 passed, 1 failed"),
        ('<testsuite tests="0" failures="0" errors="0" skipped="0"/>', 5, "0 passed, 1 failed"),
        ("not xml <", 2, "0 passed, 1 failed"),
    ],
)
def test_closing_line(tmp_path: Path, suites: str, code: int, line: str) -> None:
    report = tmp_path / "junit.xml"
    report.write_text(f"<testsuites>{suites}</testsuites>")
    assert closing_line(*counts(report, code)) == line


def test_closing_line_of_a_run_without_a_report(tmp_path: Path) -> None:
    assert closing_line(*counts(tmp_path / "none.xml", 1)) == "0 passed, 1 failed"


@pytest.mark.parametrize(
    ("arguments", "parallel"),
    [
        ([], True),
        (["-x", "-k", "soak"], True),
        (["tests/sql"], True),
        (["tests/test_style.py"], False),
        (["tests/test_style.py::test_the_tool_passes"], False),
        (["tests/sql", "-n0"], False),
        (["--pdb"], False),
    ],
)
def test_many_tests_run_in_parallel(arguments: list[str], parallel: bool) -> None:
    assert spread(arguments) == (IN_PARALLEL if parallel else [])


@pytest.mark.parametrize("options", [Options(), Options(demo=False)], ids=["demo", "no demo"])
def test_the_number_of_steps_is_the_number_announced(tmp_path: Path, cluster: Cluster, options: Options) -> None:
    settings = Settings(tmp_path, StackPorts(), load_secrets(tmp_path))
    steps = Up(Stack(settings, cluster, Supervisor(tmp_path), options)).steps()
    assert 1 + len(steps) == total_steps(sandbox=options.sandbox), "one more, the installation, comes before"
    known: set[str] = set()
    for step in steps:
        assert known.issuperset(step.needs), f"{step.name} needs a step that comes later or not at all"
        known.add(step.name)
