"""A request's body: bounded before it is read, and decoded so that one odd record does not spoil its batch."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fastapi import HTTPException, Request

from pulse.ingest import limits
from pulse.sources import bounds

# Longer whole numbers take Python more than a moment to read.
_DIGITS = 1000


async def read(request: Request) -> bytes:
    """The body. Raises HTTPException when it is too large, compressed, or does not come."""
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body without Content-Encoding")
    length = request.headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or int(length[:20]) > limits.BODY_BYTES:
        raise _too_large()
    parts, size = [], 0
    try:
        async with asyncio.timeout(limits.BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > limits.BODY_BYTES:
                    raise _too_large()
                parts.append(part)
    except TimeoutError:
        raise HTTPException(
            HTTPStatus.REQUEST_TIMEOUT, f"the body did not come within {limits.BODY_SECONDS:.0f} seconds"
        ) from None
    return b"".join(parts)


def decode(body: bytes) -> Any:
    """The body as JSON. Raises HTTPException when it is none, or too deep or too large to look at.

    bounds.decode makes storable what it can. What is left and can be told apart from the rest, such as NaN, is let
    through: `odd` finds it in a record.
    """
    try:
        return bounds.decode(body)[0]
    except bounds.Excess as excess:
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{excess}: send smaller batches") from None
    except ValueError as error:
        strict = str(error)
    try:
        return json.loads(body.decode("utf-8-sig"), parse_int=_whole)
    except (ValueError, RecursionError):
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {strict}") from None


def odd(record: Any) -> str | None:
    """What in a record is not strictly JSON, with its place; None if all is well."""
    for path, value in _values(record, ""):
        if isinstance(value, float) and not math.isfinite(value):
            return f"{path or 'the record'} is {value}, which is not a number"
        if isinstance(value, str) and not _is_whole(value):
            return f"{path or 'the record'} contains half of a surrogate pair, which is no character"
    return None


def _values(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every text and number under its dotted name, keys included. bounds.decode has checked how deep it is."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield path, key
            yield from _values(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _values(item, f"{path}.{index}" if path else str(index))
    else:
        yield path, value


def _is_whole(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= _DIGITS else math.inf


def _too_large() -> HTTPException:
    return HTTPException(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"the body is larger than {limits.BODY_BYTES // 2**20} MB: send smaller batches",
    )
