"""The parts of all GraphQL nodes: ids, times, actors, connections and their cursors."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from sandbox.world.model import Actor

Node = dict[str, Any]
MAX_PAGE = 100


class GraphQLRefusal(Exception):
    """An error in the answer, with GitHub's error type."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.extensions = {"type": kind}


def iso(at: datetime | None) -> str | None:
    """A time as GitHub writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None


def node_id(kind: str, number: int) -> str:
    """A global id that looks like GitHub's: a prefix for the type, and the number."""
    return f"{kind}_kwDO{number:012x}"


def actor(value: Actor | None) -> Node | None:
    """An Actor node; None for a ghost."""
    if value is None:
        return None
    return {
        "__typename": value.kind,
        "id": f"U_{value.login}",
        "login": value.login.removesuffix("[bot]") if value.kind == "Bot" else value.login,
    }


def page_size(args: Node) -> int:
    """The `first` of a connection, which GitHub requires."""
    first = args.get("first")
    if first is None:
        raise GraphQLRefusal(
            "You must provide a `first` or `last` value to properly paginate.", "MISSING_PAGINATION_BOUNDARIES"
        )
    if not 1 <= first <= MAX_PAGE:
        raise GraphQLRefusal(
            f"Requesting {first} records exceeds the `first` limit of 100 records.", "EXCESSIVE_PAGINATION"
        )
    return int(first)


def page_info(end_cursor: str | None, more: bool) -> Node:
    """A PageInfo node."""
    return {"endCursor": end_cursor, "hasNextPage": more, "hasPreviousPage": False, "startCursor": None}


def offset_page(items: Iterable[Any], args: Node, build: Callable[[Any], Node]) -> Node:
    """A page of a list that only grows at its end."""
    everything = list(items)
    start = int(base64.b64decode(args["after"]).decode().rpartition(":")[2]) if args.get("after") else 0
    part = everything[start : start + page_size(args)]
    end = start + len(part)
    cursor = base64.b64encode(f"cursor:v2:{end}".encode()).decode() if part else None
    return {
        "totalCount": len(everything),
        "nodes": [build(item) for item in part],
        "pageInfo": page_info(cursor, end < len(everything)),
    }


def keyed_page(
    items: Iterable[Any],
    args: Node,
    key: Callable[[Any], tuple[str, str]],
    build: Callable[[Any], Node],
    descending: bool = False,
) -> Node:
    """A page of an ordered list. The cursor holds the last row's place in the order, so it survives changes before it."""
    everything = items if isinstance(items, list) else list(items)
    if args.get("first") is None:
        # Requesting the count alone needs no page.
        return {
            "totalCount": len(everything),
            "nodes": lambda info: page_size(args),
            "pageInfo": lambda info: page_size(args),
        }
    start = 0
    if args.get("after"):
        start = _after(everything, args["after"], key, descending)
    part = everything[start : start + page_size(args)]
    cursor = base64.b64encode(json.dumps(key(part[-1])).encode()).decode() if part else None
    return {
        "totalCount": len(everything),
        "nodes": [build(item) for item in part],
        "pageInfo": page_info(cursor, start + len(part) < len(everything)),
    }


def _after(items: list[Any], cursor: str, key: Callable[[Any], tuple[str, str]], descending: bool) -> int:
    """The place of the first item after a cursor."""
    try:
        value, identity = json.loads(base64.b64decode(cursor))
        place = (value, int(identity))
    except (ValueError, TypeError):
        raise GraphQLRefusal(f"`{cursor}` does not appear to be a valid cursor.", "INVALID_CURSOR_ARGUMENTS") from None
    low, high = 0, len(items)
    while low < high:
        middle = (low + high) // 2
        own = key(items[middle])
        rank = (own[0], int(own[1]))
        if rank < place if descending else rank > place:
            high = middle
        else:
            low = middle + 1
    return low
