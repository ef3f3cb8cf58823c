"""Who reads Variables or migrates knows every source type, and loads none of their extractors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pulse.source_types import declaration_files, declarations, integration_types, scopes_of

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"


def test_every_folder_declares_its_type() -> None:
    assert sorted(declarations()) == integration_types() == [path.parent.name for path in declaration_files()]
    for name, model in declarations().items():
        assert model.model_json_schema()["properties"]["type"]["const"] == name
        assert all(index.startswith(f"{name}_") for index in model.indexes)


def test_a_type_without_a_folder_still_has_a_dag() -> None:
    assert (scopes_of("jira"), scopes_of("gone")) == ("projects", "scopes")


@pytest.mark.parametrize("module", ["pulse.clients.spec", "pulse.source_types"])
def test_declarations_are_cheap(module: str) -> None:
    costly = "[m for m in sys.modules if m.partition('.')[0] in ('airflow', 'pandas', 'psycopg', 'requests')"
    program = f"import sys, {module}; print({costly} or m.endswith(('.extract', '.client'))])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PLUGINS, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"
