"""Secrets on Airflow's command line: they are found in its audit log, and deleted."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest

from stack.airflow.audit import holds_secret
from stack.paths import AIRFLOW_VENV
from tests.conftest import ROOT

SECRET = "secret-on-a-command-line"


@pytest.mark.parametrize(
    "command",
    [
        ["variables", "set", "pulse_client_acme", '{"token": "x"}'],
        ["variables", "set", "--description", "pulse_client_acme", "x"],
        ["connections", "add", "a", "--conn-extra", '{"token": "x"}'],
        ["connections", "add", "a", "--conn-json", '{"password": "********", "extra": {"token": "x"}}'],
        ["connections", "add", "a", '--conn-json={"password": "x"}'],
        ["connections", "add", "a", "--conn-uri", "http://u:x@host"],
        ["users", "create", "-pVALUE"],
        ["users", "create", "--password", "x"],
    ],
)
def test_a_command_with_a_secret_is_recognised(command: list[str]) -> None:
    assert holds_secret(command)


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["variables", "set", "api_secret", "********"],
        ["variables", "import", "file.json"],
        ["variables", "get", "a"],
        ["connections", "import", "file.json"],
        ["connections", "add", "a", "--conn-password", "********"],
        ["connections", "add", "a", "--conn-uri", "http://u:********@host"],
        ["connections", "add", "a", "--conn-json", '{"password": "********"}'],
        ["users", "create", "--password=********"],
        ["dags", "list", "-p", "3"],
    ],
)
def test_a_command_without_one_is_not(command: list[str]) -> None:
    assert not holds_secret(command)


def test_the_doctor_finds_and_deletes_them(stack: dict[str, Any]) -> None:
    airflow = [str(AIRFLOW_VENV / "bin" / "airflow")]
    subprocess.run([*airflow, "variables", "set", "of_the_test", SECRET], check=True, capture_output=True, timeout=120)
    subprocess.run([*airflow, "variables", "delete", "of_the_test"], check=True, capture_output=True, timeout=120)
    found = doctor()
    assert "PROBLEM secrets of command lines in Airflow's audit log: 1, the last" in found
    assert "airflow variables set" in found
    assert SECRET not in found
    assert "deleted 1 rows" in doctor("--delete-leaks")
    assert "secrets of command lines in Airflow's audit log: none" in doctor()


def doctor(*options: str) -> str:
    done = subprocess.run(
        [str(ROOT / "pulse"), "doctor", *options],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env=dict(os.environ),
    )
    return done.stdout
