from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulse import environ
from tests.conftest import SandboxServer


@pytest.fixture
def sandbox(sandbox_server: SandboxServer) -> Iterator[SandboxServer]:
    """The sandbox in its initial state: no faults, the clock at the anchor."""
    sandbox_server.reset()
    yield sandbox_server
    sandbox_server.reset()


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder node_modules with the published descriptions, installed once by the npm client."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm: install Node.js to hold the sandbox against GitHub's published descriptions")
    folder = environ.STATE.get() / "npm"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (Path(__file__).parent / "package.json").read_text()
    installed = folder / "package.json"
    if not installed.exists() or installed.read_text() != wanted or not (folder / "node_modules").is_dir():
        installed.write_text(wanted)
        subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=300,
        )
    return folder / "node_modules"
