"""A declared endpoint: its address, the ways to authenticate, its pages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, quote_plus

import requests

from pulse.clients.streams import HttpJsonAuth, PagePagination, Stream
from pulse.errors import ConfigError, Where
from pulse.sources import bounds, guard
from pulse.sources.base import Credential, Integration
from pulse.sources.http import Auth, HttpClient, JsonResponse, TokenAuth
from pulse.sources.http_json import paging
from pulse.sources.http_json.paging import Position
from pulse.sources.refusals import UNREAD_IN_A_ROW, HeavyPage, redacted
from pulse.warehouse.runs import RunStats


@dataclass(frozen=True)
class Read:
    """A page: its position, the upstream's time (aware, UTC), its records.

    `lost`: instead of the records, the text of the one record there, which cannot be read.
    """

    position: Position
    server_time: datetime
    items: list[Any] = field(default_factory=list)
    lost: str = ""


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
        self.http = HttpClient(self._auth(credential, integration.connection_id), **self.where, stats=stats, headers={})

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

    def pages(self, stream: Stream, since: Mapping[str, str], start: Position) -> Iterator[Read]:
        """The pages of a stream, starting at a position (empty: the first).

        A page that cannot be read is asked for in smaller parts, down to the record that makes it unreadable. Raises
        UpstreamError if a page or position comes twice, because such a walk would never end.
        """
        position, seen, contents, empty, unread = start, set[bytes](), set[bytes](), 0, 0
        full = False  # whether the upstream gives as many records as it is asked for
        while True:
            seen.add(_digest(position))
            try:
                response = self._get(stream, since, position, heavy=True)
            except HeavyPage as error:
                self.http.forget(0)
                smaller = paging.narrowed(stream.pagination, position)
                if smaller and (full or self._gives_what_is_asked(stream, since, position)):
                    position, full = smaller, True
                    continue
                after = paging.behind(stream.pagination, position)
                unread += 1
                if after and error.text and unread <= UNREAD_IN_A_ROW:
                    yield Read(position, datetime.now(UTC), lost=error.text)
                    position = after
                    continue
                response = self._get(stream, since, position)  # which tries again, and then says what is wrong
            items = self._records(stream, response.body)
            content = _digest(items)
            empty = 0 if items else empty + 1
            if items and content in contents:
                raise self.http.failure(
                    f"stream {stream.name}: a page repeats the records of an earlier one; the upstream ignores the"
                    " parameters of the declared pagination"
                )
            contents.add(content)
            unread, full = 0, full or len(items) == paging.asked_for(stream.pagination, position)
            yield Read(position, response.server_time, items)
            next_position = self._next_position(stream, position, response, items)
            if next_position is None:
                return
            if _digest(next_position) in seen or empty == EMPTY_PAGES:
                raise self.http.failure(f"stream {stream.name}: the upstream repeats a page endlessly")
            position = next_position

    def _gives_what_is_asked(self, stream: Stream, since: Mapping[str, str], position: Position) -> bool:
        """Whether a page is a range of records that can be divided: not if pages are numbered, and the upstream has a cap."""
        if not isinstance(stream.pagination, PagePagination) or position.get("page", stream.pagination.start) == (
            stream.pagination.start
        ):
            return True
        first = {"size": position["size"]} if "size" in position else {}
        try:
            found = self._records(stream, self._get(stream, since, first, heavy=True).body)
        except HeavyPage:
            return False
        return len(found) == paging.size_of(stream.pagination, position)

    def _get(
        self, stream: Stream, since: Mapping[str, str], position: Position, *, heavy: bool = False
    ) -> JsonResponse:
        url = f"{self.base_url}{stream.path}"
        params = {
            name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in stream.params.items()
        }
        params |= {**since, **paging.parameters(stream.pagination, position)}
        if "url" in position:
            # The next address comes from the upstream and is complete, but for the size of a part.
            url, params = paging.with_size(stream.pagination, position)
        return self.http.call("GET", url, params=params, heavy=heavy)

    def _records(self, stream: Stream, body: Any) -> list[Any]:
        found = paging.value_at(body, stream.records, paging.ABSENT) if body is not None else []  # HTTP 204
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
        if (length := len(str(next_position))) > bounds.POSITION_CHARACTERS:
            raise self.http.too_much(f"stream {stream.name}: the name of the next page is {length} characters long")
        if "url" not in next_position:
            return next_position
        return {"url": self._next_url(position.get("url", f"{self.base_url}{stream.path}"), next_position["url"])}

    def _next_url(self, current: str, given: str) -> str:
        """The address of the next page, made absolute. Raises ConfigError if it is not at the declared host."""
        url = guard.same_server(current, given)
        if url is not None:
            # Some upstreams repeat the key in it. It must not be stored; the request is signed again anyway.
            return paging.without_parameter(
                url, self.declared_auth.carrier if self.declared_auth.kind == "query" else ""
            )
        raise ConfigError(
            **self.where,
            message=f"the upstream names a next page at a different host than base_url: {redacted(given)}",
            remedy="set base_url to the address that the upstream uses for itself, or choose another pagination",
        )


def _digest(value: Any) -> bytes:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()
