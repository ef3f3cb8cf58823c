"""The failures that Pulse knows. Each names the client, the source and what to do. No message ever contains a secret."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict


class Where(TypedDict):
    """The client and the source of a failure, as keyword arguments of the errors below."""

    client: str
    source: str


class PulseError(Exception):
    """Something failed for one client.

    `client`: its slug. `source`: the integration or part that failed. `message`: what happened. `remedy`: what to do
    about it, as a sentence without its full stop. `status`: the HTTP status that reported it, if any.
    """

    def __init__(self, *, client: str, source: str, message: str, remedy: str, status: int | None = None) -> None:
        super().__init__(f"client {client}, {source}: {message}. {remedy[:1].upper()}{remedy[1:]}.")
        self.client = client
        self.source = source
        self.status = status


class ConfigError(PulseError):
    """The declaration cannot work; an admin has to change it."""


class AuthError(PulseError):
    """The upstream refuses the token (401), or the token lacks a right (403)."""


class AccessLost(PulseError):
    """Something that should be readable, such as a repository or project, is not visible (404); stored rows are kept."""


class UpstreamError(PulseError):
    """The upstream's answer cannot be used; a retry may help."""


class TooMuch(UpstreamError):
    """The upstream sends more than one run takes. What was read before is stored."""


class RateLimited(PulseError):
    """The upstream's budget is used up; `resume_at` (aware, UTC) is when the task may resume."""

    def __init__(self, *, client: str, source: str, resume_at: datetime, message: str) -> None:
        super().__init__(
            client=client,
            source=source,
            message=f"{message}; the budget is back at {resume_at:%Y-%m-%d %H:%M:%S} UTC",
            remedy="no action needed: the task resumes from its checkpoint",
        )
        self.resume_at = resume_at


class TooManyRejects(PulseError):
    """Too many records could not be read; they are in raw.rejects, and everything else is stored."""


class PublicationStopped(PulseError):
    """A quality check of severity block failed. Nothing was published; core.quality_results says why."""


class ReportsNotSent(Exception):
    """At least one report of a client was not sent. One line per person."""


class ReportsMaybeSent(ReportsNotSent):
    """Nobody knows whether a report was sent."""
