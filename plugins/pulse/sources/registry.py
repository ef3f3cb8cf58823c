"""Which class reads which integration type: the one that extract.py in the folder of that name names as SOURCE."""

from __future__ import annotations

import importlib
import pkgutil

from pulse import sources
from pulse.sources.base import Source


def integration_types() -> list[str]:
    """The types that have a folder."""
    return sorted(module.name for module in pkgutil.iter_modules(sources.__path__) if module.ispkg)


def source_for(integration_type: str) -> type[Source]:
    """The source class of an integration type. Raises KeyError, naming the known types, for an unknown one."""
    if integration_type not in integration_types():
        raise KeyError(f"unknown integration type {integration_type!r}; known types: {', '.join(integration_types())}")
    found: type[Source] = importlib.import_module(f"pulse.sources.{integration_type}.extract").SOURCE
    return found
