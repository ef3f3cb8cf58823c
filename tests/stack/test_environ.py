"""The environment variables: declared once, read through their declaration, listed in the docs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pulse import environ
from stack.paths import ROOT

CODE = (".py", ".sh", ".yml", ".yaml", ".Dockerfile", ".md", ".ini", ".conf", ".cfg")
# Names that hold PULSE_ and are no variables: Airflow's Connections, and constants of the code.
OTHER = re.compile(r"AIRFLOW_CONN_PULSE_\w+|PULSE_RETRY_POLICY|PULSE_OWN_ADDITION")


def files() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    names = done.stdout.split() or [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file()]
    return [ROOT / name for name in names if name.endswith(CODE) or name == "pulse"]


def test_the_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "environment-variables.md").read_text()
    assert page == environ.page(), "run: PYTHONPATH=plugins python -m pulse.environ > docs/environment-variables.md"


def test_every_name_is_declared() -> None:
    declared = {variable.name for variable in environ.declared()}
    for path in files():
        names = set(re.findall(r"\bPULSE_[A-Z][A-Z_]*[A-Z]\b", OTHER.sub("", path.read_text())))
        assert names <= declared, path


def test_every_variable_is_read_through_its_declaration() -> None:
    direct = re.compile(r"""(environ\.get\(|environ\[|getenv\()\s*f?["']PULSE_[^\]]*$""", re.M)
    for path in files():
        if path.suffix == ".py" and path != Path(__file__):
            found = [line for line in path.read_text().splitlines() if direct.search(line) and "] =" not in line]
            assert not found, path


def test_names_and_descriptions_are_complete() -> None:
    names = [variable.name for variable in environ.declared()]
    assert len(set(names)) == len(names)
    for variable in environ.declared():
        assert variable.description.endswith("."), variable.name


def test_a_value_of_another_type_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_PORT_BASE", "many")
    with pytest.raises(ValueError, match="PULSE_PORT_BASE must be a whole number, not 'many'"):
        environ.PORT_BASE.get()


def test_a_missing_secret_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULSE_ROLE_SECRET", raising=False)
    with pytest.raises(environ.MissingVariable, match="PULSE_ROLE_SECRET is not set"):
        environ.ROLE_SECRET.get()


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_PORT_BASE", "")
    assert environ.PORT_BASE.get() == 0
    assert environ.PORT_BASE.given() is None


def test_lists_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_CLIENTS", " one, three,")
    assert environ.CLIENTS.get() == ("one", "three")
