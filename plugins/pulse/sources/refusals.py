"""What an upstream's refusal means: the typed error, with the way out, without secrets."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import requests

from pulse.errors import AccessLost, AuthError, ConfigError, PulseError, TooMuch, UpstreamError
from pulse.sources import guard, pages

SHOWN = 200  # of an answer, in an error
UNREAD_IN_A_ROW = 4  # records; if more in a row cannot be read, the server is in trouble
REFUSED_TOKEN = 401  # for the credential as a whole; 403 is for one thing


class HeavyPage(Exception):
    """The upstream cannot deliver this page: ask for a smaller one.

    `text`: what came instead, if it could not be read. `content` and `headers`: all of it, or as much as came before the
    connection was lost; None if nothing did.
    """

    def __init__(
        self, text: str = "", content: bytes | None = None, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(text)
        self.text = text
        self.content = content
        self.headers = headers


# What reading an answer of another shape than expected ends with.
UNREADABLE = (HeavyPage, LookupError, TypeError, ValueError, AttributeError)


class Refusals:
    """The errors of one upstream. `secrets`: texts that must never be shown."""

    def __init__(self, client: str, source: str, secrets: Callable[[], tuple[str, ...]]) -> None:
        self.client = client
        self.source = source
        self._secrets = secrets

    def failure(self, message: str, status: int | None = None) -> UpstreamError:
        """An UpstreamError for this upstream."""
        return UpstreamError(
            client=self.client,
            source=self.source,
            message=message,
            status=status,
            remedy="the task will be retried; if the error persists, look at the upstream's status page",
        )

    @contextlib.contextmanager
    def understood(self, what: str) -> Iterator[None]:
        """Raises an UpstreamError where reading an answer about something ends with what an unexpected shape ends with."""
        try:
            yield
        except UNREADABLE as error:
            raise self.unreadable(what, error) from error

    def unreadable(self, what: str, error: Exception) -> UpstreamError:
        """The failure of an answer that one of UNREADABLE ended with."""
        if isinstance(error, HeavyPage):
            return self.failure(f"the answer about {what} cannot be read, however little is asked for")
        return self.failure(
            f"the answer about {what} has an unexpected shape: {type(error).__name__}: {str(error)[:SHOWN]}"
        )

    def too_much(self, message: str) -> TooMuch:
        """A TooMuch for this upstream."""
        return TooMuch(
            client=self.client,
            source=self.source,
            message=message,
            remedy="what was read before is stored, and the next run continues there; if it happens again, read less (fewer"
            " repositories, projects or fields, smaller pages) or ask the upstream's owner",
        )

    def wrong_address(self, wrong: str) -> ConfigError:
        """base_url cannot be used."""
        return ConfigError(
            client=self.client,
            source=self.source,
            message=f"base_url: {wrong}",
            remedy="correct base_url in the client's Variable",
        )

    def refused_address(self, refused: guard.RefusedAddress) -> ConfigError:
        """The host is private, and not allowed."""
        host = f"{refused.host}:{refused.port}"
        return ConfigError(
            client=self.client,
            source=self.source,
            message=f"{host} is at {refused.address}, which is not a public address",
            remedy=f"correct base_url; to allow this host, an operator adds {host} to the environment variable"
            f" {guard.ALLOW_VARIABLE}",
        )

    def web_page(self, response: requests.Response, url: str) -> UpstreamError:
        """A page for people came instead of JSON."""
        kind = pages.kind_of(response)
        return UpstreamError(
            client=self.client,
            source=self.source,
            status=response.status_code,
            message=f"{redacted(url)} answers with {kind} instead of JSON",
            remedy=_WAY_PAST[kind or pages.SIGN_IN],
        )

    def refusal(self, response: requests.Response, url: str) -> PulseError:
        """The error of an answer that is neither a success nor temporary."""
        code = response.status_code
        where: dict[str, Any] = {"client": self.client, "source": self.source, "status": code}
        excerpt = self.beginning(response, SHOWN).replace("\n", " ")
        if response.is_redirect:
            return ConfigError(
                **where,
                message=f"{redacted(url)} redirects to {redacted(response.headers['Location'])}; this is not followed, because"
                " the token would travel along",
                remedy="set base_url, and the path of a stream, to the address that it redirects to",
            )
        if code in (401, 403) and (kind := pages.kind_of(response)):
            return AuthError(
                **where,
                message=f"{redacted(url)} answers HTTP {code} with {kind}",
                remedy=_WAY_PAST[kind],
            )
        if code == 401:
            return AuthError(
                **where,
                message=f"the token was refused (HTTP 401 from {redacted(url)})",
                remedy="renew the token in the Airflow Connection",
            )
        if code == 403:
            return AuthError(
                **where,
                message=f"the token may not read {redacted(url)} (HTTP 403: {excerpt})",
                remedy="give the token read access, or exclude this repository or project",
            )
        if code in (404, 410):
            return AccessLost(
                **where,
                message=f"{redacted(url)} does not exist or is not visible (HTTP {code})",
                remedy="check the name and the token's access; stored rows are kept",
            )
        return self.failure(f"unexpected HTTP {code} from {redacted(url)}: {excerpt}", code)

    def beginning(self, response: requests.Response, characters: int) -> str:
        """The beginning of an answer, without secrets. Of a private host only that there is one: logs have many readers."""
        _, host, port = guard.origin(str(response.url))
        if guard.is_allowed(host, port):
            return f"{len(response.content)} bytes, not shown because the host is private"
        return self.text_of(response, characters)

    def text_of(self, response: requests.Response, characters: int) -> str:
        """The beginning of an answer, without secrets: for the client's own tables."""
        # Not response.text, which may guess the encoding of megabytes.
        return self.without_secrets(response.content[:characters])

    def without_secrets(self, content: bytes) -> str:
        """A part of an answer as text."""
        text = bytes(content).decode("utf-8", "replace")
        for secret in self._secrets():
            text = text.replace(secret, "***")
        return text


_WAY_PAST = {
    pages.SIGN_IN: "check that base_url is the address of the API, and let this machine past the sign-in that stands before"
    " it; then renew the token if it was revoked",
    pages.CAPTCHA: "log in once in a browser as the owner of the token and solve the CAPTCHA, or have the firewall before the"
    " API let this machine pass",
}


def redacted(url: str) -> str:
    """An address that is safe to show: without login, query and fragment."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that cannot be parsed"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"[:300]
