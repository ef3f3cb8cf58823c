"""How the pages of an endpoint follow one another: pure functions of the declaration and the answer.

A position identifies a page: {} is the first, others are {"page": 3}, {"offset": 200}, {"cursor": "…"} or {"url": "…"}. One
with a "size" asks for fewer records than declared, because the page of the declared size cannot be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import requests

from pulse.clients.streams import (
    CursorPagination,
    LinkPagination,
    NoPagination,
    OffsetPagination,
    PagePagination,
    Pagination,
)
from pulse.sources.http import JsonResponse
from pulse.sources.salvage import ABSENT, Salvage

Position = dict[str, Any]
Sized = PagePagination | OffsetPagination | CursorPagination | LinkPagination


def parameters(pagination: Pagination, position: Position) -> dict[str, str]:
    """The query parameters that request the page at a position."""
    if isinstance(pagination, NoPagination):
        return {}
    asked = {pagination.size_param: str(size_of(pagination, position))} if pagination.size_param else {}
    if isinstance(pagination, PagePagination):
        asked[pagination.param] = str(position.get("page", pagination.start))
    elif isinstance(pagination, OffsetPagination):
        asked[pagination.param] = str(position.get("offset", 0))
    elif isinstance(pagination, CursorPagination) and "cursor" in position:
        asked[pagination.param] = str(position["cursor"])
    return asked


def next_position(
    pagination: Pagination, position: Position, response: JsonResponse, items: list[Any]
) -> Position | None:
    """The position after a page; None after the last. A URL in it may be relative."""
    if isinstance(pagination, CursorPagination):
        return _cursor(value_at(response.body, pagination.next))
    if isinstance(pagination, LinkPagination):
        return _url(value_at(response.body, pagination.next) if pagination.next else _link_header(response.headers))
    if isinstance(pagination, NoPagination):
        return None
    more = value_at(response.body, pagination.more) if pagination.more else None
    # A short page is not the last one: the upstream may cap the size below what was requested. Nor is an empty one of which
    # the upstream says so.
    if more is False or (not items and more is not True):
        return None
    return _after(pagination, position, len(items) or size_of(pagination, position))


def _cursor(found: Any) -> Position | None:
    return {"cursor": str(found)} if isinstance(found, str | int) and str(found) and found is not False else None


def _url(found: Any) -> Position | None:
    return {"url": found} if isinstance(found, str) and found else None


def is_named(pagination: Pagination) -> bool:
    """Whether the upstream names its pages, so that a position always leads to the same records."""
    return isinstance(pagination, CursorPagination | LinkPagination)


def told_in(pagination: Pagination) -> list[str]:
    """The dotted paths of an answer's values that lead to the next page."""
    path = getattr(pagination, "more", "") or getattr(pagination, "next", "")
    return [path] if path else []


def after_salvage(
    pagination: Pagination, position: Position, found: Salvage, headers: Mapping[str, str]
) -> tuple[Position | None, bool]:
    """The position after a page of which only a part can be read, and whether that is known. (None, True): it is the last."""
    whole = found.whole and found.closed
    if isinstance(pagination, LinkPagination) and not pagination.next:
        after = _url(_link_header(headers))
        return after, after is not None or whole
    if isinstance(pagination, CursorPagination | LinkPagination):
        value = found.values[pagination.next]
        after = _cursor(value) if isinstance(pagination, CursorPagination) else _url(value)
        return after, after is not None or (whole and value in (None, ABSENT, ""))
    if isinstance(pagination, NoPagination):
        return None, found.whole
    count = len(found.items) + len(found.broken)
    if not count or not (found.whole or isinstance(pagination, OffsetPagination)):
        return None, False
    if pagination.more and found.whole and found.values[pagination.more] is False:
        return None, True
    return _after(pagination, position, count), True


def asked_for(pagination: Pagination, position: Position) -> int | None:
    """How many records the page at a position is asked for; None if no size is sent."""
    unsized = isinstance(pagination, NoPagination) or not pagination.size_param
    return None if unsized else size_of(pagination, position)  # type: ignore[arg-type]


def with_size(pagination: Pagination, position: Position) -> tuple[str, dict[str, str]]:
    """The address of a position that is an address, and the parameters to send with it: the size of a part."""
    url, param = position["url"], getattr(pagination, "size_param", "")
    if "size" not in position or not param:
        return url, {}
    return without_parameter(url, param), {param: str(position["size"])}


def size_of(pagination: Sized, position: Position) -> int:
    """How many records the page at a position is asked for."""
    return int(position.get("size", pagination.size))


def narrowed(pagination: Pagination, position: Position) -> Position | None:
    """The first part of a page that cannot be read as a whole; None if it has one record, or if no size can be asked for."""
    if isinstance(pagination, NoPagination) or not pagination.size_param:
        return None
    size = size_of(pagination, position)
    if size == 1:
        return None
    smaller = next(part for part in range(size // 2, 0, -1) if size % part == 0)
    if not isinstance(pagination, PagePagination):
        return {**position, "size": smaller}
    before = int(position.get("page", pagination.start)) - pagination.start
    return {"page": before * (size // smaller) + pagination.start, "size": smaller}


def behind(pagination: Pagination, position: Position) -> Position | None:
    """The position behind a single record, or a page without a size, that cannot be read; None if only it names the next."""
    if not isinstance(pagination, PagePagination | OffsetPagination) or asked_for(pagination, position) not in (
        1,
        None,
    ):
        return None
    is_page = isinstance(pagination, PagePagination) and not pagination.size_param
    return _after(pagination, position, pagination.size if is_page else 1)


def elsewhere(pagination: Pagination, position: Position) -> list[Position]:
    """Positions that show whether the upstream answers at all: of its first record, and of one far behind a position."""
    unsized = asked_for(pagination, position) is None
    one: Position = {} if unsized else {"size": 1}
    if isinstance(pagination, OffsetPagination):
        return [one, {"offset": int(position.get("offset", 0)) + pagination.size, **one}]
    if isinstance(pagination, PagePagination):
        pages = 1 if unsized else pagination.size // size_of(pagination, position) * size_of(pagination, position)
        return [one, {"page": int(position.get("page", pagination.start)) + pages, **one}]
    return [one]


def _after(pagination: PagePagination | OffsetPagination, position: Position, count: int) -> Position:
    """The position after `count` records; as large a page as begins there."""
    size = size_of(pagination, position)
    if isinstance(pagination, OffsetPagination):
        done = int(position.get("offset", 0)) + count
        return {"offset": done, **_size(pagination, _largest(pagination.size, size, done))}
    page = int(position.get("page", pagination.start)) + 1
    if count != size:  # the upstream has a cap of its own, so nobody knows how many records came before
        return {"page": page, **_size(pagination, size)}
    done = (page - pagination.start) * size
    larger = _largest(pagination.size, size, done)
    return {"page": done // larger + pagination.start, **_size(pagination, larger)}


def _largest(declared: int, size: int, done: int) -> int:
    """The largest size, up to the declared one, of which the pages before are whole."""
    return next(
        one for one in range(declared, size - 1, -1) if one == size or (declared % one == 0 and done % one == 0)
    )


def _size(pagination: Sized, size: int) -> Position:
    return {} if size == pagination.size else {"size": size}


def looks_truncated(pagination: Pagination, items: list[Any]) -> bool:
    """Whether a last page is full, in a pagination where only the missing name of a next page marks the last one."""
    named = isinstance(pagination, CursorPagination | LinkPagination)
    return named and bool(pagination.size_param) and len(items) >= pagination.size  # type: ignore[union-attr]


def _link_header(headers: Mapping[str, str]) -> str | None:
    """The address with rel="next" (RFC 8288)."""
    for link in requests.utils.parse_header_links(headers.get("Link", "")):
        if "next" in str(link.get("rel", "")).lower().split():
            return str(link["url"])
    return None


def value_at(body: Any, path: str, absent: Any = None) -> Any:
    """The value at a dotted path (numbers index lists). An empty path gives the body itself; if nothing is there: `absent`."""
    found = body
    for part in path.split(".") if path else []:
        if isinstance(found, dict) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            return absent
    return found


def shape_of(body: Any) -> str:
    """The shape of an answer, without its content."""
    if isinstance(body, dict):
        return f"it is an object with {', '.join(sorted(body))[:200]}" if body else "it is an empty object"
    return f"it is a {type(body).__name__}"


def without_parameter(url: str, parameter: str) -> str:
    """An address without the given query parameter and without its fragment."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    query = urlencode([pair for pair in pairs if pair[0] != parameter]) if parameter else parts.query
    return urlunsplit(parts._replace(query=query, fragment=""))
