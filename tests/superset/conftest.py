"""pulse_superset runs in Superset's environment. Its folder superset/ has no __init__.py, which would hide Superset."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
