"""The version of this installation. The one place that has it is pyproject.toml."""

from __future__ import annotations

import tomllib
from functools import cache

from pulse import environ


@cache
def version() -> str:
    """Such as "1.2.0"."""
    content = tomllib.loads((environ.ROOT.get() / "pyproject.toml").read_text())
    return str(content["project"]["version"])
