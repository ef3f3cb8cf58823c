"""A declared endpoint: its address, the ways to authenticate, its pages."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, quote_plus

import requests

from pulse.clients.streams import HttpJsonAuth, PagePagination, Stream
from pulse.errors import AccessLost, AuthError, ConfigError, PulseError, TooMuch, UpstreamError, Where
from pulse.sources import bounds, guard
from pulse.sources.base import Credential, Integration
from pulse.sources.http import UNREADABLE_CHARACTERS, Auth, HttpClient, JsonResponse, TokenAuth
from pulse.sources.http_json import paging
from pulse.sources.http_json.paging import Position
from pulse.sources.refusals import REFUSED_TOKEN, UNREAD_IN_A_ROW, HeavyPage, redacted
from pulse.sources.salvage import ABSENT, Salvage, salvage
from pulse.warehouse.runs import RunStats


@dataclass(frozen=True)
class Read:
    """A page: its position, the upstream's time (aware, UTC), its records, and the position after it (None: it is the last).

    `lost`: the texts of records that cannot be read, or of the whole page.
    """

    position: Position
    server_time: datetime
    items: list[Any]
    after: Position | None
    lost: list[str] = field(default_factory=list)


class Stuck(Exception):
    """The page at a position cannot be read, and nothing says where the next one is, though the upstream answers elsewhere."""

    def __init__(self, position: Position, cause: PulseError) -> None:
        super().__init__(position)
        self.position = position
        self.cause = cause


# After this many empty pages in a row, the walk is considered endless.
EMPTY_PAGES = 50
# What an upstream may say to one page, though it gives the others.
PAGE_REFUSED = (400, 403, 404, 409, 410, 413, 414, 416, 422, 451)
PAUSES_SECONDS = (1.0, 4.0)


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

        A page that cannot be read is asked for in smaller parts, down to the record that makes it unreadable. Raises Stuck
        where only that record's page says what comes next, and it cannot be found in it; UpstreamError if a page or position
        comes twice, because such a walk would never end, and if nothing that the upstream says can be read.
        """
        position, seen, contents, empty, unread = start, set[bytes](), set[bytes](), 0, 0
        full = False  # whether the upstream gives as many records as it is asked for
        while True:
            seen.add(_digest(position))
            try:
                read = self._read(stream, since, position, heavy=True)
            except HeavyPage as error:
                self.http.forget(0)
                smaller = paging.narrowed(stream.pagination, position)
                if smaller and (full or self._gives_what_is_asked(stream, since, position)):
                    position, full = smaller, True
                    continue
                read = self._alone(stream, since, position, error)
                unread = 0 if read.items else unread + 1
                if unread > UNREAD_IN_A_ROW:
                    self._require_answers(stream, since, position)
                    unread = 0
            except PulseError as refusal:
                if position == start or refusal.status not in PAGE_REFUSED:
                    raise
                self._require_answers(stream, since, position, refusal)
                raise Stuck(position, refusal) from None
            else:
                content = _digest(read.items)
                if read.items and content in contents:
                    raise self.http.failure(
                        f"stream {stream.name}: a page repeats the records of an earlier one; the upstream ignores the"
                        " parameters of the declared pagination"
                    )
                contents.add(content)
                unread, full = 0, full or len(read.items) == paging.asked_for(stream.pagination, position)
            empty = 0 if read.items or read.lost else empty + 1
            yield read
            if read.after is None:
                return
            if _digest(read.after) in seen or empty == EMPTY_PAGES:
                raise self.http.failure(f"stream {stream.name}: the upstream repeats a page endlessly")
            position = read.after

    def _read(self, stream: Stream, since: Mapping[str, str], position: Position, *, heavy: bool = False) -> Read:
        response = self._get(stream, since, position, heavy=heavy)
        items = self._records(stream, response, position)
        return Read(position, response.server_time, items, self._next_position(stream, position, response, items))

    def _alone(self, stream: Stream, since: Mapping[str, str], position: Position, error: HeavyPage) -> Read:
        """What can be read of a page that cannot be divided: its other records, and where the next page is. Raises Stuck."""
        cause: UpstreamError = self._not_json(stream, position)
        if error.text and error.content is None:
            cause = self.http.too_much(f"stream {stream.name}: {error.text}")
        known_size = paging.asked_for(stream.pagination, position) is not None
        if known_size and not error.text:
            try:
                return self._read(stream, since, position)  # which tries again for longer
            except TooMuch:
                raise
            except HeavyPage as later:
                error = later
            except UpstreamError as failure:
                cause = failure
        for pause in () if known_size else PAUSES_SECONDS:
            time.sleep(pause)
            try:
                return self._read(stream, since, position, heavy=True)
            except HeavyPage as later:
                error = later
        found, after, is_known = Salvage(), None, False
        if error.content is not None:
            found = salvage(error.content, stream.records, paging.told_in(stream.pagination))
            after, is_known = paging.after_salvage(stream.pagination, position, found, error.headers)
        if not is_known:
            after = paging.behind(stream.pagination, position)
            is_known = after is not None
        if not is_known or not (error.text or found.listed) or not (known_size or found.listed):
            self._require_answers(stream, since, position, cause)
        if not is_known:
            raise Stuck(position, cause)
        lost = [self.http.without_secrets(text[:UNREADABLE_CHARACTERS]) for text in found.broken]
        items = found.items
        if paging.asked_for(stream.pagination, position) == 1 or not (items or lost):
            items, lost = [], [error.text or str(cause)]
        return Read(position, datetime.now(UTC), items, self._named(stream, position, after), lost)

    def _require_answers(
        self, stream: Stream, since: Mapping[str, str], position: Position, cause: PulseError | None = None
    ) -> None:
        """Raises UpstreamError if nothing that the upstream says can be read: then it is in trouble, whatever one page holds."""
        for place in paging.elsewhere(stream.pagination, position):
            if place == position:
                continue
            try:
                self._read(stream, since, place, heavy=True)
                return
            except (HeavyPage, UpstreamError, AuthError, AccessLost, ConfigError) as error:
                if getattr(error, "status", None) == REFUSED_TOKEN:
                    raise
                self.http.forget(0)
        raise cause or self._not_json(stream, position)

    def _gives_what_is_asked(self, stream: Stream, since: Mapping[str, str], position: Position) -> bool:
        """Whether a page is a range of records that can be divided: not if pages are numbered, and the upstream has a cap."""
        if not isinstance(stream.pagination, PagePagination) or position.get("page", stream.pagination.start) == (
            stream.pagination.start
        ):
            return True
        first = {"size": position["size"]} if "size" in position else {}
        try:
            found = self._read(stream, since, first, heavy=True).items
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

    def _not_json(self, stream: Stream, position: Position) -> UpstreamError:
        url = redacted(position.get("url", f"{self.base_url}{stream.path}"))
        return self.http.failure(f"stream {stream.name}: GET {url}: the answer is not JSON, or has no list of records")

    def _records(self, stream: Stream, response: JsonResponse, position: Position) -> list[Any]:
        body = response.body
        found = paging.value_at(body, stream.records, ABSENT) if body is not None else []  # HTTP 204
        if isinstance(found, list):
            return found
        if found is None and stream.records:  # some upstreams write an empty list as null
            return []
        if position:  # the first page had the list, so it is only this one
            text = json.dumps(body).encode()
            raise HeavyPage(self.http.without_secrets(text[:UNREADABLE_CHARACTERS]), text, response.headers)
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
        return self._named(stream, position, next_position)

    def _named(self, stream: Stream, position: Position, found: Position | None) -> Position | None:
        """A position that the upstream names, bounded and with a complete address."""
        if found is None:
            return None
        if (length := len(str(found))) > bounds.POSITION_CHARACTERS:
            raise self.http.too_much(f"stream {stream.name}: the name of the next page is {length} characters long")
        if "url" not in found:
            return found
        return {"url": self._next_url(position.get("url", f"{self.base_url}{stream.path}"), found["url"])}

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
