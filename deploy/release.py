"""What CHANGELOG.md says of a release: python3.11 -m deploy.release v1.2.0

Standard library only. Prints the notes; the exit code is 1, with the reason, when the tag is not this checkout's version or the
changelog has no dated section for it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "plugins")]

from pulse.version import version  # noqa: E402

HEADING = re.compile(r"^## \[(?P<name>[^]]+)\](?: - (?P<date>\d{4}-\d\d-\d\d))?$", re.M)


class NoRelease(ValueError):
    """This tag cannot be released as it is."""


def notes(tag: str, changelog: str, current: str) -> str:
    """The section of a tag. `changelog`: text of CHANGELOG.md; `current`: the checkout's version. Raises NoRelease."""
    if tag != f"v{current}":
        raise NoRelease(f"the tag is {tag}, and pyproject.toml says {current}: they must agree")
    headings = list(HEADING.finditer(changelog))
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        if heading["name"] == current:
            if not heading["date"]:
                raise NoRelease(f"CHANGELOG.md has no date for {current}: ## [{current}] - YYYY-MM-DD")
            text = changelog[heading.end() : following.start() if following else None].strip()
            if text:
                return text + "\n"
    raise NoRelease(f"CHANGELOG.md says nothing of {current}: rename [Unreleased]")


def main() -> None:
    """Print the notes of the tag that is given."""
    try:
        print(notes(sys.argv[1], (ROOT / "CHANGELOG.md").read_text(), version()), end="")
    except NoRelease as problem:
        sys.exit(f"release: {problem}")


if __name__ == "__main__":
    main()
