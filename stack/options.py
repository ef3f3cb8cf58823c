"""Choices that are made once with ./pulse up and remembered."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from stack import files

FILE_NAME = "options.json"


@dataclass(frozen=True)
class Options:
    """With the demo clients or not; the folder of recorded payloads, if any; the day the sandbox's story leads up to.

    The day is fixed at the first start, so that a restart on another day finds the same past.
    """

    demo: bool = True
    recorded: str | None = None
    anchor: str = field(default_factory=lambda: datetime.now(UTC).date().isoformat())

    @property
    def sandbox(self) -> bool:
        """Whether anything needs the simulated GitHub and Jira."""
        return self.demo or self.recorded is not None

    def changed(self, demo: bool | None, recorded: str | None) -> Options:
        """These options with the ones given now; None: as last time."""
        return Options(self.demo if demo is None else demo, recorded or self.recorded, self.anchor)


def load_options(state: Path) -> Options:
    """The options of the last ./pulse up."""
    try:
        return Options(**files.read_json(state / FILE_NAME))
    except TypeError:
        return Options()


def save_options(state: Path, options: Options) -> None:
    """Remember them."""
    files.replace_json(state / FILE_NAME, asdict(options))
