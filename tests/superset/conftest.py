"""pulse_superset runs in Superset's environment. Its folder superset/ has no __init__.py, which would hide Superset."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pulse.superset.assets import ViewColumn, build_bundle
from stack.postgres.cluster import Cluster
from tests.support.database import TEMPLATE, TestDatabase
from tests.support.superset_assets import ASSETS, Configs, Views

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / "superset"
SUPERSET_PYTHON = ROOT / ".pulse" / "venv" / "superset" / "bin" / "python"

InSuperset = Callable[..., Any]


@pytest.fixture(scope="session")
def superset_modules() -> None:
    """Put superset/ on the path, for the modules that do not need Superset (accounts, sessions, colors)."""
    if str(MODULES) not in sys.path:
        sys.path.append(str(MODULES))


@pytest.fixture(scope="session")
def in_superset(tmp_path_factory: pytest.TempPathFactory) -> InSuperset:
    """Run Python in Superset's environment, with its default settings; the code leaves its answer in `result`."""
    settings = tmp_path_factory.mktemp("superset") / "stock_config.py"
    settings.write_text("SECRET_KEY = 'of the tests'\n")

    def run(code: str, **environment: str) -> Any:
        program = f"import json, sys\nsys.path.append({str(MODULES)!r})\n{code}\nprint('RESULT', json.dumps(result))"
        done = subprocess.run(
            [str(SUPERSET_PYTHON), "-c", program],
            cwd="/",
            capture_output=True,
            text=True,
            timeout=120,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT / "plugins"),
                "PULSE_READER_SECRET": "secret-of-the-tests",
                "SUPERSET_CONFIG_PATH": str(settings),
                **environment,
            },
        )
        line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
        assert line, done.stderr[-3000:]
        return json.loads(line.removeprefix("RESULT "))

    return run


@pytest.fixture(scope="session")
def views(cluster: Cluster) -> Iterator[Views]:
    """The columns of every view of schema report."""
    with TestDatabase.clone(cluster, TEMPLATE) as database:
        database.wait_replica()
        rows = database.connect("pulse_staff", replica=True).execute(
            "select table_name, column_name, upper(data_type) from information_schema.columns"
            " where table_schema = 'report' order by table_name, ordinal_position"
        )
        found: Views = {}
        for view, column, kind in rows:
            found.setdefault(view, []).append(ViewColumn(column, kind))
        yield found


@pytest.fixture(scope="session")
def configs(views: Views) -> Configs:
    """What Superset gets, by path."""
    return build_bundle(ASSETS, views).configs
