"""What an admin declares about an integration of type http_json, and the tables that its records come to."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import AnyHttpUrl, Field, field_validator, model_validator

from pulse.clients.base import repeated
from pulse.clients.integration import CommonIntegration
from pulse.clients.streams import HttpJsonAuth, Stream


class HttpJsonIntegration(CommonIntegration):
    """Any HTTP API that answers with JSON, or a tool that pushes: its streams become deployments, incidents or changes."""

    pushed: ClassVar[tuple[str, ...]] = ("records",)
    scopes: ClassVar[str] = "streams"
    rank: ClassVar[int] = 3

    type: Literal["http_json"]
    base_url: AnyHttpUrl | None = Field(  # type: ignore[assignment]
        None, description="what all paths begin with; without it, records are only pushed"
    )
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

    @model_validator(mode="after")
    def _read_from_somewhere(self) -> HttpJsonIntegration:
        for stream in self.streams:
            if self.base_url is None and stream.path:
                raise ValueError(f"base_url: is missing, and stream '{stream.name}' has a path below it: add base_url")
            if self.base_url is not None and not stream.path:
                raise ValueError(
                    f"stream '{stream.name}': path: is missing: add it; or leave base_url out, if records are only pushed"
                )
        return self

    @property
    def url(self) -> str:
        return super().url if self.base_url else ""

    def config(self) -> dict[str, Any]:
        """What integrations.config_data holds: nothing secret."""
        return {
            "auth": self.auth.model_dump(mode="json") if self.base_url else {"kind": "none"},
            "streams": [stream.model_dump(mode="json") for stream in self.streams],
        }


DECLARATION = HttpJsonIntegration
