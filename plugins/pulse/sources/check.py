"""Asks an upstream before anything is stored: is the token right, what may it not read, what is there, which settings fit.

The test of a Connection, `./pulse client check` and the form all use `check_source`. Each type has its own questions in its
folder's check.py (`CHECK`).
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pulse.errors import AccessLost, PulseError, UpstreamError
from pulse.source_types import integration_types
from pulse.sources.base import Credential, Integration

TRIES = 2  # an admin waits for the answer


@dataclass
class Report:
    """What a source answered.

    `found`: what is there. `missing`: rights that the token lacks, with what the numbers then lack. `needed`: what the numbers
    will need, with the choices. `proposals`: settings of the client that fit what was seen. `failure`: why nothing could be
    asked; then all else is empty.
    """

    source: str
    found: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    needed: list[str] = field(default_factory=list)
    proposals: dict[str, Any] = field(default_factory=dict)
    failure: str = ""

    @property
    def ok(self) -> bool:
        """Whether everything that Pulse reads can be read."""
        return not self.failure and not self.missing

    def lines(self) -> list[str]:
        """The answer in sentences, the worst first."""
        return [line for line in (self.failure, *self.missing, *self.found, *self.needed) if line]


Check = Callable[[Integration, Credential], Report]


def check_source(integration: Integration, credential: Credential) -> Report:
    """Ask the upstream of an integration. Its id and its client's are not used, and nothing is stored.

    An expected failure (a wrong token or address, a private address, a web page instead of JSON) is the report's `failure`.
    """
    kind = integration.integration_type
    name = f"pulse.sources.{kind}.check"
    if kind not in integration_types() or importlib.util.find_spec(name) is None:
        return Report(integration.name, needed=[f"{integration.name}: only a run shows what can be read."])
    check: Check = importlib.import_module(name).CHECK
    try:
        return check(integration, credential)
    except PulseError as error:
        return Report(integration.name, failure=_advice(integration, error))


def _advice(integration: Integration, error: PulseError) -> str:
    text = str(error)
    if "base_url" not in text and (
        isinstance(error, AccessLost) or (isinstance(error, UpstreamError) and error.status is None)
    ):
        text += f" Is base_url ({integration.base_url}) the address of the API?"
    return text
