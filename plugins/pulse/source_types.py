"""Which types of sources there are: the folders of pulse.sources, each with a declaration.py that names its DECLARATION.

It imports declarations only, so that whoever needs to know the types loads no extractor. (The registry of pulse.sources
finds those.) Clients and migrations know a type by this module alone.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from pulse import sources
from pulse.clients.integration import CommonIntegration


def integration_types() -> list[str]:
    """The types that have a folder, by name."""
    return sorted(module.name for module in pkgutil.iter_modules(sources.__path__) if module.ispkg)


@cache
def declarations() -> Mapping[str, type[CommonIntegration]]:
    """The model of each type's integrations in a client's Variable, in the order of the published schema."""
    found = {name: _declaration(name) for name in integration_types()}
    return MappingProxyType(dict(sorted(found.items(), key=lambda item: (item[1].rank, item[0]))))


def declaration_files() -> list[Path]:
    """The files that hold them, without importing any."""
    return sorted(path for folder in sources.__path__ for path in Path(folder).glob("*/declaration.py"))


def scopes_of(integration_type: str) -> str:
    """How Airflow calls what one task of a type extracts; `scopes` for a type whose folder is gone."""
    return declarations().get(integration_type, CommonIntegration).scopes


def _declaration(integration_type: str) -> type[CommonIntegration]:
    found: type[CommonIntegration] = importlib.import_module(
        f"{sources.__name__}.{integration_type}.declaration"
    ).DECLARATION
    return found
