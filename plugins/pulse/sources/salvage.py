"""What can be read of an answer that is not JSON: its records one by one, and the values that lead to the next page.

It goes by the brackets, commas and texts of the answer, whatever stands between them, and decodes each record by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pulse.sources import bounds

ABSENT = object()
MOST_TOKENS = 4 * bounds.ANSWER_VALUES  # of an answer that is worth reading
# A text without an end goes to the end of the answer, so that nothing of it is looked at twice.
_TEXT = rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)'
_TOKEN = re.compile(_TEXT + rb'|[{}\[\],:]|[^\s"{}\[\],:]++', re.DOTALL)
_CLOSES = {b"}": False, b"]": True}
_SCALAR = _TEXT + rb"|-?[0-9]++(?![.0-9])"


@dataclass
class Salvage:
    """What was found.

    `items`: the records that can be read. `broken`: the texts of the others. `listed`: the list of records is there;
    `whole`: so is its end; `closed`: so is that of the answer. `values`: what is at the paths that were asked for.
    """

    items: list[Any] = field(default_factory=list)
    broken: list[bytes] = field(default_factory=list)
    listed: bool = False
    whole: bool = False
    closed: bool = False
    values: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Level:
    """An open list or object. `place`: the index, or the name that was last read; `named`: whether its value is due."""

    is_list: bool
    place: str
    named: bool = False


def salvage(body: bytes, records: str, paths: Iterable[str] = ()) -> Salvage:
    """What can be read of an answer. `records`: the dotted path of the list of records; `paths`: of other values."""
    found = _Reader(records, frozenset(paths)).read(body)
    for path in paths:
        if path not in found.values:
            found.values[path] = _named(body, path.rpartition(".")[2])
    return found


class _Reader:
    def __init__(self, records: str, paths: frozenset[str]) -> None:
        self.records = records
        self.paths = paths
        self.open: list[_Level] = []
        self.found = Salvage()
        self.list_depth = 0  # of the list of records; 0 outside it
        self.item_from = 0
        self.values = 0

    def read(self, body: bytes) -> Salvage:
        for number, token in enumerate(_TOKEN.finditer(body)):
            text, at = token[0], token.end()
            if number > MOST_TOKENS:
                return Salvage()
            if text in (b"[", b"{"):
                if len(self.open) == bounds.ANSWER_DEPTH:
                    return Salvage()
                self._begin(text == b"[", at)
            elif text in _CLOSES:
                self._end(body, _CLOSES[text], token.start())
            elif text == b",":
                self._next(body, token.start())
            elif text == b":":
                if self.open and not self.open[-1].is_list:
                    self.open[-1].named = True
            else:
                self._scalar(text)
            if self.values > bounds.ANSWER_VALUES:
                return Salvage()
        if self.list_depth:
            self._item(body[self.item_from :])
        return self.found

    def _path(self) -> str:
        return ".".join(level.place for level in self.open)

    def _begin(self, is_list: bool, at: int) -> None:
        if is_list and not self.found.listed and self._path() == self.records:
            self.found.listed = True
            self.list_depth, self.item_from = len(self.open) + 1, at
        self.open.append(_Level(is_list, "0" if is_list else ""))
        self.found.closed = False

    def _end(self, body: bytes, is_list: bool, at: int) -> None:
        """Close the innermost list or object of this kind, and what was left open in it; without one, nothing."""
        depth = next((n for n in range(len(self.open), 0, -1) if self.open[n - 1].is_list == is_list), 0)
        if not depth:
            return
        if self.list_depth and depth <= self.list_depth:
            self._item(body[self.item_from : at])
            self.found.whole = depth == self.list_depth
            self.list_depth = 0
        del self.open[depth - 1 :]
        self.found.closed = not self.open

    def _next(self, body: bytes, at: int) -> None:
        if not self.open:
            return
        level = self.open[-1]
        level.named = False
        if level.is_list:
            if len(self.open) == self.list_depth:
                self._item(body[self.item_from : at])
                self.item_from = at + 1
            level.place = str(int(level.place) + 1)

    def _scalar(self, text: bytes) -> None:
        if not self.open:
            return
        level = self.open[-1]
        if level.is_list or level.named:
            if not self.list_depth and (path := self._path()) in self.paths:
                value = _decoded(text)
                if value is not ABSENT:
                    self.found.values[path] = value
        else:
            name = _decoded(text)
            level.place = str(name) if name is not ABSENT else "\ufffd"

    def _item(self, text: bytes) -> None:
        if not text.strip():
            return
        try:
            item, values = bounds.decode(text)
        except (ValueError, bounds.Excess):
            self.found.broken.append(text)
            return
        self.values += values
        self.found.items.append(item)


def _decoded(text: bytes) -> Any:
    try:
        return bounds.decode(text)[0]
    except (ValueError, bounds.Excess):
        return ABSENT


def _named(body: bytes, name: str) -> Any:
    """The text or whole number that a name has wherever it stands in an answer whose brackets lead nowhere; ABSENT if it has
    several."""
    pattern = b'"' + re.escape(name.encode()) + rb'"\s*+:\s*+(' + _SCALAR + b")"
    found = {match[1] for match in re.finditer(pattern, body, re.DOTALL)}
    return _decoded(found.pop()) if len(found) == 1 else ABSENT
