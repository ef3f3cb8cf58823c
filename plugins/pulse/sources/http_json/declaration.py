"""What an admin declares about an integration of type http_json, and the tables that its records come to."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from pulse.clients.base import repeated
from pulse.clients.integration import CommonIntegration
from pulse.clients.streams import HttpJsonAuth, Stream


class HttpJsonIntegration(CommonIntegration):
    """Any HTTP API that answers with JSON: its streams become deployments, incidents or changes."""

    scopes: ClassVar[str] = "streams"
    rank: ClassVar[int] = 3

    type: Literal["http_json"]
    auth: HttpJsonAuth = Field(
        default_factory=lambda: HttpJsonAuth.model_validate({}),
        description="how requests carry the token; default: as a bearer token",
    )
    streams: list[Stream] = Field(min_length=1, max_length=20, description="the lists of records to read")

    @field_validator("streams")
    @classmethod
    def _unique_streams(cls, value: list[Stream]) -> list[Stream]:
        if twice := repeated(stream.name for stream in value):
            raise ValueError(f"the name '{twice}' is used twice: give each stream its own name")
        return value

    def config(self) -> dict[str, Any]:
        """What integrations.config_data holds: nothing secret."""
        return {
            "auth": self.auth.model_dump(mode="json"),
            "streams": [stream.model_dump(mode="json") for stream in self.streams],
        }


DECLARATION = HttpJsonIntegration
