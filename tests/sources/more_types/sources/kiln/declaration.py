"""What an admin declares about a Kiln server, and the table that its records come to."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from pulse.clients.integration import CommonIntegration


class KilnIntegration(CommonIntegration):
    """A Kiln server."""

    entities: ClassVar[tuple[str, ...]] = ("entries",)
    scopes: ClassVar[str] = "journals"

    type: Literal["kiln"]
    journal: str = Field(min_length=1, description="the journal to read", examples=["main"])

    def config(self) -> dict[str, Any]:
        """What integrations.config_data holds: nothing secret."""
        return {"journal": self.journal, **self._common()}


DECLARATION = KilnIntegration
