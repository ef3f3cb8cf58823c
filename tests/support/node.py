"""Packages of npm that tests need, in the state folder: installed once by the npm client."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from stack import files
from stack.paths import ROOT

FOLDER = ROOT / ".pulse" / "npm"


def installed(wanted: Path) -> Path:
    """A folder with node_modules as the package.json `wanted` says. Raises AssertionError without npm."""
    npm = shutil.which("npm")
    assert npm, "no npm: apt-get install nodejs npm (as root, ./pulse test does it itself)"
    folder = FOLDER / wanted.parent.name
    folder.mkdir(parents=True, exist_ok=True)
    with files.locked(folder / ".lock"):
        package, marker = wanted.read_text(), folder / "installed.json"
        if not marker.exists() or marker.read_text() != package:
            (folder / "package.json").write_text(package)
            command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, done.stderr[-2000:]
            marker.write_text(package)
    return folder
