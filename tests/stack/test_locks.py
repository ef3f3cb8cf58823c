"""The locked package sets: complete, exact, and the same wherever the packages come from."""

from __future__ import annotations

import re
from importlib.metadata import distributions
from pathlib import Path

import pytest

from stack.install import packages as install
from stack.install.lock import LOCKS
from stack.install.python import SUPPORTED
from stack.paths import ROOT

PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.+!_]+( --hash=sha256:[0-9a-f]{64})+")


def pins(lock: Path) -> dict[str, str]:
    lines = [line for line in lock.read_text().splitlines() if not line.startswith("#")]
    return {canonical(name): version for name, version in (line.split(" ")[0].split("==") for line in lines)}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_line_is_an_exact_pin_with_hashes(lock: Path) -> None:
    heading, *lines = lock.read_text().splitlines()
    assert heading.startswith("# Locked by ./pulse lock")
    assert len(lines) > 100
    for line in lines:
        assert PIN.fullmatch(line), line


@pytest.mark.parametrize("path", [*LOCKS, *(source for sources in LOCKS.values() for source in sources)], ids=str)
def test_no_host_no_index(path: Path) -> None:
    text = path.read_text()
    assert "://" not in text
    assert not re.search(r"^\s*(-i|--index|--extra-index|--find-links|-f|--trusted-host)\b", text, re.M)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_wanted_package_is_pinned(lock: Path) -> None:
    locked = pins(lock)
    for source in LOCKS[lock]:
        for line in source.read_text().splitlines():
            if line and not line.startswith("#"):
                assert canonical(re.split(r"[\[=~<>]", line)[0]) in locked, f"{line} of {source.name}"


def test_this_environment_is_the_locked_one() -> None:
    locked = pins(install.TESTS.lock)
    installed = {canonical(d.metadata["Name"]): d.version for d in distributions()}
    differing = {
        name: (version, locked[name])
        for name, version in installed.items()
        if name in locked and version != locked[name]
    }
    assert not differing
    assert set(installed) - set(locked) <= {"pip", "setuptools", "wheel", "pulse-airflow"}


def test_the_two_environments_differ_where_they_must() -> None:
    airflow, superset = pins(install.AIRFLOW.lock), pins(install.SUPERSET.lock)
    assert airflow["sqlalchemy"].split(".")[0] == "2"
    assert superset["sqlalchemy"].startswith("1.4")
    assert "apache-superset" not in airflow
    assert "apache-airflow" not in superset
    assert not (ROOT / "superset" / "__init__.py").exists(), "it would shadow the installed package"


def test_the_tests_get_the_same_versions_as_airflow() -> None:
    run, tests = pins(install.AIRFLOW.lock), pins(install.TESTS.lock)
    assert run.items() <= tests.items()
    for image in ("lineage", "kubernetes", "scale"):
        assert run.items() <= pins(install.lock_of(image)).items()
    assert "celery" not in run
    assert "apache-airflow-providers-openlineage" not in run, "only where a lineage backend is set"
    assert "pytest-xdist" not in run


@pytest.mark.parametrize("environment", ["airflow", "lineage", "tests", "superset", "kubernetes", "scale"])
def test_every_python_gets_the_same_versions(environment: str) -> None:
    first, *others = (pins(install.lock_of(environment, version)) for version in SUPPORTED)
    for other in others:
        assert {name: first[name] for name in other if name in first} == {n: v for n, v in other.items() if n in first}
