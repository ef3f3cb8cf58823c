"""The failures Pulse knows, each naming the client, the source and the way out. No message ever holds a secret."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict


class Where(TypedDict):
    """Whose failure it is."""

    client: str
    source: str


class PulseError(Exception):
    """Something failed for one client. `status`: the HTTP status that told of it, if any."""

    def __init__(self, *, client: str, source: str, message: str, remedy: str, status: int | None = None) -> None:
        super().__init__(f"client {client}, {source}: {message}. What to do: {remedy}.")
        self.client = client
        self.source = source
        self.status = status


class ConfigError(PulseError):
    """The declaration cannot work as it is; an admin has to change it."""


class AuthError(PulseError):
    """The upstream refuses the token (401) or what it may do (403)."""


class AccessLost(PulseError):
    """A repository or project that could be read before cannot be seen any more (404); its rows are kept."""


class UpstreamError(PulseError):
    """The upstream answered something that cannot be worked with; a retry may help."""


class RateLimited(PulseError):
    """The upstream's budget is used up; `resume_at` (aware, UTC) says when to go on."""

    def __init__(self, *, client: str, source: str, resume_at: datetime, message: str) -> None:
        super().__init__(
            client=client,
            source=source,
            message=f"{message}; the budget is back at {resume_at:%Y-%m-%d %H:%M:%S} UTC",
            remedy="nothing: the task goes on from its checkpoint then",
        )
        self.resume_at = resume_at


class TooManyRejects(PulseError):
    """More records than the threshold could not be read; they are in raw.rejects, everything else is stored."""


class PublicationStopped(PulseError):
    """A quality check of severity block failed: nothing was published, and core.quality_results says why."""
