"""The virtual environments: what is there, what is half there, and what the installer's errors mean."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from stack.errors import StackError
from stack.install import packages as install
from stack.install import uv
from stack.install.packages import PackageSet, advice_for, ensure


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackageSet:
    """An environment of nothing, so that installing it is real and takes no network."""
    monkeypatch.setattr(install, "VENVS", tmp_path)
    monkeypatch.setattr(install, "ROOT", tmp_path)
    (tmp_path / "requirements.txt").write_text("# nothing\n")
    (tmp_path / "lock.txt").write_text("# nothing\n")
    return PackageSet(tmp_path / "env", tmp_path / "requirements.txt", tmp_path / "lock.txt")


def test_installs_once(packages: PackageSet) -> None:
    assert packages.state() == "missing"
    ensure(packages, lambda _: None)
    assert packages.state() == "ready"
    made = packages.python.lstat().st_mtime_ns
    assert ensure(packages, lambda _: None) == "already installed"
    assert packages.python.lstat().st_mtime_ns == made


def test_a_half_finished_installation_is_seen_and_made_afresh(packages: PackageSet) -> None:
    ensure(packages, lambda _: None)
    (packages.venv / packages.marker).unlink()
    leftover = packages.venv / "lib" / "half-written.py"
    leftover.write_text("x = ")
    assert packages.state() == "half"
    assert "had not finished" in ensure(packages, lambda _: None)
    assert not leftover.exists()
    assert packages.state() == "ready"


def test_an_environment_whose_python_has_gone_or_that_was_moved_is_half(packages: PackageSet) -> None:
    ensure(packages, lambda _: None)
    moved = PackageSet(packages.venv.with_name("moved"), packages.requirements, packages.lock)
    packages.venv.rename(moved.venv)
    assert moved.state() == "half"
    moved.venv.rename(packages.venv)
    assert packages.state() == "ready"
    packages.python.unlink()
    assert packages.state() == "half"


def test_an_environment_of_another_python_is_half(packages: PackageSet) -> None:
    ensure(packages, lambda _: None)
    (packages.venv / "lib" / install.PYTHON).rename(packages.venv / "lib" / "python3.10")
    assert packages.state() == "half"


def test_new_pins_make_it_outdated_not_half(packages: PackageSet) -> None:
    ensure(packages, lambda _: None)
    packages.lock.write_text("# other pins\n")
    assert packages.state() == "outdated"
    ensure(packages, lambda _: None)
    assert packages.state() == "ready"


def test_a_failed_installation_leaves_no_marker_and_says_what_to_do(packages: PackageSet) -> None:
    packages.lock.write_text("/no/such/folder/of-a-package\n")
    with pytest.raises(StackError, match=r"could not install requirements.txt"):
        ensure(packages, lambda _: None)
    assert packages.state() == "half"


def test_a_full_disk_is_seen_before_anything_is_downloaded(
    packages: PackageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "NEEDED_MEGABYTES", 10**9)
    with pytest.raises(StackError, match=r"has \d+ MB free, the installation needs 1000000000: free some space"):
        ensure(packages, lambda _: None)
    assert packages.state() == "missing"


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("error: command 'gcc' failed: No such file or directory", "needs a compiler"),
        ("fatal error: Python.h: No such file or directory", "needs a compiler"),
        ("The virtual environment was not created because ensurepip is not available", f"{install.PYTHON}-venv"),
        ("[Errno 13] Permission denied: '/x'", "belongs to someone else"),
        ("Temporary failure in name resolution: dns error", "registry cannot be reached"),
        ("something nobody has seen before", "./pulse doctor"),
    ],
)
def test_advice(output: str, advice: str) -> None:
    assert advice in advice_for(output)


def test_a_broken_uv_on_the_path_is_not_used(
    tmp_path: Path, packages: PackageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "bin" / "uv"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{broken.parent}:/usr/bin:/bin")
    monkeypatch.setattr(uv.sys, "executable", "/bin/false")  # so that none can be fetched either
    monkeypatch.setattr(uv, "TOOLS", tmp_path / "tools")
    monkeypatch.setattr(uv, "BINARY", tmp_path / "tools" / "bin" / "uv")
    assert uv.find_uv() is None


def test_options_are_remembered(tmp_path: Path) -> None:
    from stack.options import Options, load_options, save_options

    assert load_options(tmp_path) == Options(demo=True, recorded=None)
    chosen = Options(anchor="2026-01-31").changed(False, "/x")
    save_options(tmp_path, chosen)
    assert load_options(tmp_path) == chosen == Options(demo=False, recorded="/x", anchor="2026-01-31")
    assert load_options(tmp_path).changed(None, None).sandbox, "the recorded client needs the sandbox too"
    assert not Options(demo=False).sandbox
    (tmp_path / "options.json").write_text(json.dumps({"unknown": 1}))
    assert load_options(tmp_path) == Options()
