"""The images of others by digest: python3.11 -m deploy.images pin FILE, or check FILE. Standard library only.

`pin` asks the registries once which digest each tag of deploy/images.env has now, and writes FILE. `check` refuses a FILE where
an image is missing or is named by a tag alone. `docker compose --env-file FILE` then runs exactly these; a build takes
PYTHON_IMAGE as its argument.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

TAGS = Path(__file__).resolve().parent / "images.env"
_LINE = re.compile(r"([A-Z]+_IMAGE)=(\S+)")
_PINNED = re.compile(r"[a-z0-9][a-z0-9./_-]*(:[A-Za-z0-9._-]+)?@sha256:[0-9a-f]{64}")


class Unpinned(ValueError):
    """An image is missing or has no digest. The text names it."""


def read(text: str) -> dict[str, str]:
    """The images of a file, by name. Raises Unpinned for a line that names no image."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            match = _LINE.fullmatch(line.strip())
            if match is None:
                raise Unpinned(f"line {number} is not NAME_IMAGE=image: {line}")
            found[match[1]] = match[2]
    return found


def check(text: str, wanted: dict[str, str]) -> None:
    """Raises Unpinned unless the text has each image that is wanted, of the same repository and tag, with a digest."""
    found = read(text)
    for name, tag in wanted.items():
        image = found.get(name)
        if image is None:
            raise Unpinned(f"{name} is missing")
        if not _PINNED.fullmatch(image) or image.partition("@")[0] != tag:
            raise Unpinned(f"{name} must be {tag}@sha256: and 64 digits, not {image}")
    if unknown := sorted(set(found) - set(wanted)):
        raise Unpinned(f"{', '.join(unknown)}: deploy/images.env has no such image")


def pin(wanted: dict[str, str], digest_of: Callable[[str], str]) -> str:
    """The content of a file in which each image has the digest that `digest_of` finds."""
    return "".join(f"{name}={tag}@{digest_of(tag)}\n" for name, tag in wanted.items())


def ask_registry(tag: str) -> str:
    """The digest of a tag's index, for all architectures, as its registry says now."""
    command = ["docker", "buildx", "imagetools", "inspect", tag, "--format", "{{.Manifest.Digest}}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Do what the command line says."""
    action, file = sys.argv[1:]
    wanted = read(TAGS.read_text())
    try:
        if action == "pin":
            Path(file).write_text(pin(wanted, ask_registry))
        check(Path(file).read_text(), wanted)
    except Unpinned as problem:
        sys.exit(f"images: {file}: {problem}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"images: {' '.join(error.cmd)}: {error.stderr.strip()}")


if __name__ == "__main__":
    main()
