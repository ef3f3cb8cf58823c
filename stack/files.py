"""Files of the state folder: replaced in one step, so that a crash leaves the old or the new one, never half of one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def replace(path: Path, text: str, owner: tuple[int, int] | None = None) -> None:
    """Write a file that only its owner may read. `owner` is a user id and a group id; by default the caller's."""
    partial = path.with_name(path.name + ".new")
    partial.unlink(missing_ok=True)
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    if owner is not None:
        os.chown(partial, *owner)
    partial.replace(path)


def replace_json(path: Path, values: dict[str, Any]) -> None:
    """Write an object as JSON."""
    replace(path, json.dumps(values, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty when the file is missing or damaged."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
