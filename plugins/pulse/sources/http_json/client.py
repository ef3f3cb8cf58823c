"""A declared endpoint: its address, the ways to authenticate, its pages."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, urljoin

import requests

from pulse.clients.streams import HttpJsonAuth, Stream
from pulse.errors import ConfigError, PulseError, Where
from pulse.sources.base import Credential, Integration
from pulse.sources.http import Auth, HttpClient, JsonResponse, TokenAuth, redacted
from pulse.sources.http_json import guard, paging
from pulse.sources.http_json.paging import Position
from pulse.warehouse.runs import RunStats

# After this many empty pages in a row, the walk is considered endless.
EMPTY_PAGES = 50


class KeyAuth:
    """A key in a header or in a query parameter; kind "none" signs nothing."""

    def __init__(self, kind: str, name: str, key: str) -> None:
        self._kind = kind
        self._name = name
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._kind == "header":
            request.headers[self._name] = self._key
        elif self._kind == "query":
            request.prepare_url(request.url, {self._name: self._key})
        return request

    def renew(self) -> bool:
        return False

    def secrets(self) -> tuple[str, ...]:
        return (self._key, quote(self._key, safe=""), quote_plus(self._key)) if self._key else ()


class JsonClient:
    """Reads the streams of one declared endpoint. It follows no redirect, because a key in a header would travel along."""

    def __init__(self, integration: Integration, credential: Credential, auth: HttpJsonAuth, stats: RunStats) -> None:
        self.base_url = integration.base_url.rstrip("/")
        self.where: Where = {"client": integration.client_slug, "source": integration.name}
        self.declared_auth = auth
        self.stats = stats
        if wrong := guard.refusal_of_url(self.base_url):
            raise ConfigError(
                **self.where, message=f"base_url: {wrong}", remedy="correct base_url in the client's Variable"
            )
        self.http = HttpClient(self._auth(credential, integration.connection_id), **self.where, stats=stats, headers={})
        guard.harden(self.http.session)

    def _auth(self, credential: Credential, connection_id: str) -> Auth:
        token, login, kind = credential.token, credential.login, self.declared_auth.kind
        if any(ord(character) < 32 or ord(character) > 255 for character in f"{token}{login or ''}"):
            # Python's own error for this would show the secret.
            raise ConfigError(
                **self.where,
                message="the token or login contains a line break or another character that is not allowed in a header",
                remedy=f"enter it again in {connection_id}",
            )
        if kind == "bearer":
            return TokenAuth(token)
        if kind == "basic":
            if not login:
                raise ConfigError(
                    **self.where,
                    message="the Connection has no login",
                    remedy=f"set the user name as the login of {connection_id}",
                )
            return TokenAuth(token, login)
        return KeyAuth(kind, self.declared_auth.carrier, token)

    def pages(
        self, stream: Stream, since: Mapping[str, str], start: Position
    ) -> Iterator[tuple[Position, JsonResponse, list[Any]]]:
        """The pages of a stream, starting at a position (empty: the first): each with its position, answer and records.

        Raises UpstreamError if a page or position comes twice, because such a walk would never end.
        """
        position, seen, contents, empty = start, set[str](), set[str](), 0
        while True:
            seen.add(json.dumps(position, sort_keys=True))
            response = self._get(stream, since, position)
            items = self._records(stream, response.body)
            content = hashlib.sha256(json.dumps(items, sort_keys=True).encode()).hexdigest()
            empty = 0 if items else empty + 1
            if items and content in contents:
                raise self.http.failure(
                    f"stream {stream.name}: a page repeats the records of an earlier one; the upstream ignores the"
                    " parameters of the declared pagination"
                )
            contents.add(content)
            yield position, response, items
            next_position = self._next_position(stream, position, response, items)
            if next_position is None:
                return
            if json.dumps(next_position, sort_keys=True) in seen or empty == EMPTY_PAGES:
                raise self.http.failure(f"stream {stream.name}: the upstream repeats a page endlessly")
            position = next_position

    def _get(self, stream: Stream, since: Mapping[str, str], position: Position) -> JsonResponse:
        url = f"{self.base_url}{stream.path}"
        params = {
            name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in stream.params.items()
        }
        params |= {**since, **paging.parameters(stream.pagination, position)}
        if "url" in position:
            # The next address comes from the upstream and is complete.
            url, params = position["url"], {}
        try:
            return self.http.call("GET", url, params=params)
        except guard.RefusedAddress as refused:
            raise self._refused(refused) from None
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
            raise ConfigError(
                **self.where,
                message=f"{redacted(url)} is not a valid address: {type(error).__name__}",
                remedy="correct base_url in the client's Variable",
            ) from None
        except ConfigError:
            raise ConfigError(
                **self.where,
                message=f"{redacted(url)} redirects to another address; redirects are not followed, because the token"
                " would travel along",
                remedy="set base_url and path to the address that it redirects to",
            ) from None

    def _refused(self, refused: guard.RefusedAddress) -> PulseError:
        host = f"{refused.host}:{refused.port}"
        return ConfigError(
            **self.where,
            message=f"{host} is at {refused.address}, which is not a public address",
            remedy=f"correct base_url; to allow this host, an operator adds {host} to the environment variable"
            f" {guard.ALLOW_VARIABLE}",
        )

    def _records(self, stream: Stream, body: Any) -> list[Any]:
        found = paging.value_at(body, stream.records, paging.ABSENT)
        if isinstance(found, list):
            return found
        if found is None and stream.records:  # some upstreams write an empty list as null
            return []
        place = f"there is no list at '{stream.records}'" if stream.records else "the answer is not a list"
        raise ConfigError(
            **self.where,
            message=f"stream {stream.name}: {place}; {paging.shape_of(body)}",
            remedy="set 'records' to the dotted path of the list",
        )

    def _next_position(
        self, stream: Stream, position: Position, response: JsonResponse, items: list[Any]
    ) -> Position | None:
        next_position = paging.next_position(stream.pagination, position, response, items)
        if next_position is None:
            if paging.looks_truncated(stream.pagination, items):
                self.stats.warn(
                    f"client {self.where['client']}, {self.where['source']}: stream {stream.name} ended with a full page"
                    " that names no next one: check its pagination"
                )
            return None
        if "url" not in next_position:
            return next_position
        return {"url": self._next_url(position.get("url", f"{self.base_url}{stream.path}"), next_position["url"])}

    def _next_url(self, current: str, given: str) -> str:
        """The address of the next page, made absolute. Raises ConfigError if it is not at the declared host."""
        with contextlib.suppress(ValueError):
            url = urljoin(current, given)
            if guard.refusal_of_url(url) is None and paging.origin(url) == paging.origin(self.base_url):
                # Some upstreams repeat the key in it. It must not be stored; the request is signed again anyway.
                return paging.without_parameter(
                    url, self.declared_auth.carrier if self.declared_auth.kind == "query" else ""
                )
        raise ConfigError(
            **self.where,
            message=f"the upstream names a next page at a different host than base_url: {_host(given)}",
            remedy="set base_url to the address that the upstream uses for itself, or choose another pagination",
        )


def _host(url: str) -> str:
    """An address that is safe to show, even if it cannot be parsed."""
    try:
        return redacted(url)
    except ValueError:
        return "an address that cannot be parsed"
