"""Files of the state folder: replaced in one step, so that a crash leaves the old or the new one, never half of one."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from stack.paths import ROOT


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
    """The object in a JSON file; empty if the file is missing or damaged."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True, shared: bool = False) -> Iterator[None]:
    """Hold a lock file as soon as nobody else does; `shared`: as soon as all who do share it.

    Raises BlockingIOError if it cannot be held and `wait` is false.
    """
    with path.open("w") as file:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        yield


def fingerprint(paths: Iterable[Path], secret: str = "") -> str:
    """Hash of a secret and of files of the checkout (names and contents; of a folder, everything in it)."""
    files = {file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])}
    digest = hashlib.sha256(secret.encode())
    for file in sorted(file for file in files if file.is_file() and "__pycache__" not in file.parts):
        digest.update(f"\0{os.path.relpath(file, ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()
