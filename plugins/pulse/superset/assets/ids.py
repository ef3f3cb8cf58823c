"""How Superset knows an asset again: its UUID, made from the asset's kind and name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import NAMESPACE_URL, uuid5

NAMESPACE = uuid5(NAMESPACE_URL, "https://pulse.invalid/superset")


@dataclass(frozen=True)
class Ids:
    """UUIDs of assets; `known` holds those that Superset already uses for some, by kind and name."""

    known: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def of(self, kind: str, name: str) -> str:
        """The UUID of the database, dataset, chart or dashboard of this name."""
        return self.known.get((kind, name)) or str(uuid5(NAMESPACE, f"{kind}/{name}"))
