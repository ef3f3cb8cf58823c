"""What an upstream may send at most, whatever it is. Every type passes here: through HttpClient and Source.store.

Together the bounds keep a task below 300 MB. A text with one character beyond Latin-1 takes four bytes per character in
memory, and an empty list of three characters takes 64.
"""

from __future__ import annotations

import codecs
import io
import math
import re
import time
from itertools import accumulate
from typing import Any

import msgspec
import requests

ANSWER_BYTES = 8 * 2**20  # after decompression
ANSWER_VALUES = 250_000  # texts, numbers, lists and objects
ANSWER_DEPTH = 64
MENDED_BYTES = 2 * 2**20  # of an answer that has to be made storable: its pieces take ten times as much for a moment
ANSWER_SECONDS = 120.0  # from the request to the last byte
HEADER_CHARACTERS = 16_000  # of one header
# Between two pages that are stored; the calls and records of one task and scope.
HELD_BYTES = 24 * 2**20
HELD_VALUES = 500_000
CALLS = 20_000
RECORDS = 500_000
RECORD_FIELDS = 1000
POSITION_CHARACTERS = 4000  # of a cursor or address of a next page

# Strings, also one that never ends: no quote is looked at twice, so the time is proportional to the length.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
# A whole string, or a number.
_TOKEN = re.compile(_STRING.pattern + rb"|-?[0-9]++(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+", re.DOTALL)
_ESCAPE = re.compile(rb"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u[dD][89a-fA-F]..|\\.", re.DOTALL)
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_CHARSETS = re.compile(r"(?:iso-?8859-?|windows-?|cp|latin-?|utf-?|us-)\w{1,5}", re.IGNORECASE)
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_STEP = {byte: 1 if byte in b"[{" else -1 for byte in b"[]{}"}


class Excess(Exception):
    """The upstream sends more than Pulse takes; the text says what."""


class HeldExcess(Excess):
    """Not one answer is too much, but all that belong together are."""


def read(response: requests.Response) -> bytes:
    """The body of a streamed answer, decompressed. Raises Excess when it is too large, and what requests raises: then with
    the answer, and as much of its body as came.
    """
    for name, value in response.headers.items():
        if len(value) > HEADER_CHARACTERS:
            raise Excess(f"the header {name[:40]!r} has more than {HEADER_CHARACTERS} characters")
    parts, size = [], 0
    try:
        for part in response.iter_content(2**16):
            size += len(part)
            if size > ANSWER_BYTES:
                raise Excess(f"one answer is larger than {ANSWER_BYTES // 2**20} MB")
            parts.append(part)
    except requests.RequestException as error:
        response._content = b"".join(parts)
        error.response = response
        raise
    return b"".join(parts)


def decode(body: bytes, charset: str = "") -> tuple[Any, int]:
    """An answer as JSON, and the number of its values. Raises ValueError when it is not JSON, and Excess.

    The shape is checked before anything is built. Strict, unlike the json module: NaN and similar are not JSON, and
    PostgreSQL would refuse them. What is legal JSON and still cannot be stored is made storable in an answer of at most
    MENDED_BYTES: half of a surrogate pair becomes U+FFFD, and a number beyond a double the text of it. `charset`: what the
    answer says about itself, which is believed if it is not UTF-8.
    """
    try:
        return _decoded(body)
    except ValueError:
        if len(body) > MENDED_BYTES:
            raise
        legible = _legible(body, charset)
        if legible == body:
            raise
        return _decoded(legible)


def _decoded(body: bytes) -> tuple[Any, int]:
    skeleton = _STRING.sub(b"", body)
    values = 1 + sum(map(skeleton.count, (b",", b"[", b"{")))
    if values > ANSWER_VALUES:
        raise Excess(f"one answer has more than {ANSWER_VALUES} values")
    brackets = skeleton.translate(None, _NOT_BRACKETS)
    if max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > ANSWER_DEPTH:
        raise Excess(f"an answer is nested more than {ANSWER_DEPTH} levels deep")
    return msgspec.json.decode(body), values


def _legible(body: bytes, charset: str) -> bytes:
    """The body in UTF-8 without a byte order mark, and without what JSON allows and nobody can store."""
    named = charset if _CHARSETS.fullmatch(charset) else "utf-8"
    encoding = next((name for mark, name in _MARKS.items() if body.startswith(mark)), None)
    for one in (encoding,) if encoding else ("utf-8", named):
        try:
            return _TOKEN.sub(_storable, body.decode(one).encode())
        except (UnicodeError, LookupError):
            continue
    return body


def _storable(token: re.Match[bytes]) -> bytes:
    text = token[0]
    if text.startswith(b'"'):
        return _ESCAPE.sub(lambda one: b"\\ufffd" if _is_half(one[0]) else one[0], text)
    return text if math.isfinite(float(text)) else b'"%b"' % text


def _is_half(escape: bytes) -> bool:
    """Whether an escape is one half of a surrogate pair, which is no character."""
    return len(escape) == 6 and escape[2:4].lower() in (b"d8", b"d9", b"da", b"db", b"dc", b"dd", b"de", b"df")


class TimedReader(io.RawIOBase):
    """Reads a socket until a moment, however slowly bytes arrive: status, headers and body together."""

    def __init__(self, raw: Any, connected: Any) -> None:
        self._raw = raw
        self._connected = connected
        self._until = time.monotonic() + ANSWER_SECONDS

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"the whole answer took longer than {ANSWER_SECONDS:.0f} seconds")
        self._connected.settimeout(min(self._connected.gettimeout() or left, left))
        read: int | None = self._raw.readinto(buffer)
        return read

    def close(self) -> None:
        self._raw.close()
        super().close()
