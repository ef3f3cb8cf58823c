"""Which class reads which integration type: the one that extract.py in the folder of that name names as SOURCE."""

from __future__ import annotations

import importlib

from pulse.source_types import integration_types
from pulse.sources.base import Source

__all__ = ["integration_types", "source_for"]


def source_for(integration_type: str) -> type[Source]:
    """The source class of an integration type. Raises KeyError, naming the known types, for an unknown one."""
    if integration_type not in integration_types():
        raise KeyError(f"unknown integration type {integration_type!r}; known types: {', '.join(integration_types())}")
    found: type[Source] = importlib.import_module(f"pulse.sources.{integration_type}.extract").SOURCE
    return found
