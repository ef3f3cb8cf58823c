"""One record spoils every answer that it is in: whatever the way of paging, everything else is read, through to the numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest

from pulse.errors import PulseError
from pulse.sources.http_json.records import UNREADABLE
from pulse.sources.salvage import ABSENT, salvage
from tests.support.custom import Custom
from tests.support.told import told

COUNT, SIZE, BAD = 45, 10, 23
MARK = '"@"'  # what the bad record has for a note
# What comes instead of it, or of the answer that it is in.
SPOILED: dict[str, Callable[[bytes], bytes]] = {
    "NaN": lambda body: body.replace(MARK.encode(), b"NaN"),
    "a control character": lambda body: body.replace(MARK.encode(), b'"a\x01b"'),
    "no escape": lambda body: body.replace(MARK.encode(), rb'"\q"'),
    "no UTF-8": lambda body: body.replace(MARK.encode(), b'"\xff\xfe"'),
    "a quote": lambda body: body.replace(MARK.encode(), b'"5" wide"'),
    "no end": lambda body: body[: body.index(MARK.encode()) + 2],
    "no list": lambda body: b'{"error": "internal"}',
}
STATUSES = {"504": 504, "500": 500}
WAYS: dict[str, dict[str, Any]] = {
    "none": {"kind": "none"},
    "page": {"kind": "page", "size_param": "limit", "size": SIZE},
    "page without a size": {"kind": "page", "size_param": "", "size": SIZE},
    "offset": {"kind": "offset", "size": SIZE},
    "offset without a size": {"kind": "offset", "size_param": "", "size": SIZE},
    "cursor": {"kind": "cursor", "next": "meta.next", "size": SIZE},
    "cursor without a size": {"kind": "cursor", "next": "meta.next", "size_param": "", "size": SIZE},
    "link": {"kind": "link", "size_param": "limit", "size": SIZE},
    "link without a size": {"kind": "link", "size_param": "", "size": SIZE},
    "link in the answer": {"kind": "link", "next": "next", "size_param": "limit", "size": SIZE},
}
# Nothing in these answers says where the next page is, and no number does.
STUCK = {
    *((way, how) for way in ("cursor", "link in the answer") for how in ("no end", "no list", "504", "500")),
    *(("cursor without a size", how) for how in ("no end", "no list", "504", "500")),
    *((way, how) for way in ("link", "link without a size") for how in ("504", "500")),
}


@dataclass
class Tool:
    """Lists records, the newest last. Answers that have the bad one are spoiled."""

    kind: str = "none"
    how: str = ""
    count: int = COUNT
    empty: int = -1  # the first record of a page whose list is empty, or null
    null: bool = False
    asked: list[dict[str, str]] = field(default_factory=list)

    def answer(self, path: str, asked: dict[str, str], address: str) -> tuple[int, dict[str, str], bytes]:
        if path == "/incidents":
            return 200, {}, b'[{"id": "i1", "key": "I-1", "title": "down", "at": "2026-06-01T10:00:00Z"}]'
        self.asked.append(asked)
        numbers = [n for n in range(self.count) if "since" not in asked or n >= COUNT]
        limit = self.count if self.kind == "none" else int(asked.get("limit", SIZE))
        start = int(asked.get("offset") or asked.get("cursor", "c0")[1:])
        if "page" in asked:
            start = (int(asked["page"]) - 1) * limit
        here = numbers[start : start + limit]
        after = start + limit if start + limit < len(numbers) else None
        in_body = self.kind == "link in the answer"
        query = {name: asked[name] for name in ("since", "limit") if name in asked}
        url = f"{address}?{urlencode({**query, 'offset': after})}" if after else None
        items = [
            {"id": f"d{n}", "note": "@" if n == BAD else "fine [it] is", "at": "2026-06-01T10:00:00Z"} for n in here
        ]
        following = {"next": url} if in_body else {"meta": {"next": f"c{after}" if after else None}}
        listed = (None if self.null else []) if start == self.empty else items
        body = json.dumps({"items": listed, "more": after is not None, **following}).encode()
        headers = {"Link": f'<{url}>; rel="next"'} if url and self.kind == "link" else {}
        if not self.how or BAD not in here:
            return 200, headers, body
        if self.how in STATUSES:
            return STATUSES[self.how], {}, b"oh"
        return 200, headers, SPOILED[self.how](body)

    def positions(self) -> list[str]:
        return [one.get("cursor") or one.get("offset") or one.get("page") or "" for one in self.asked]


@pytest.fixture
def tool(custom: Custom, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tool]:
    made = Tool()
    with told(custom, monkeypatch, lambda *asked: made.answer(*asked)):  # a test may put another answer in
        yield made


def declare(custom: Custom, tool: Tool, way: str, since: bool = False) -> None:
    tool.kind = way if way == "link in the answer" else WAYS[way]["kind"]
    deploys: dict[str, Any] = {
        "name": "deploys",
        "entity": "deployments",
        "path": "/deploys",
        "records": "items",
        "fields": {"id": "id", "created_at": "at", "finished_at": "at"},
        "constants": {"service": "shop", "environment": "production", "result": "success"},
        "pagination": WAYS[way],
    }
    if since:
        deploys["since"] = {"param": "since"}
    incidents = {
        "name": "incidents",
        "entity": "incidents",
        "path": "/incidents",
        "fields": {"id": "id", "key": "key", "title": "title", "created_at": "at"},
    }
    custom.streams = [deploys, incidents]


def numbers(custom: Custom) -> set[int]:
    return {int(one.partition(":d")[2]) for one in custom.records() if one.startswith("deploys:")}


@pytest.mark.parametrize("how", [*SPOILED, *STATUSES])
@pytest.mark.parametrize("way", WAYS)
def test_everything_else_is_read(custom: Custom, tool: Tool, way: str, how: str) -> None:
    declare(custom, tool, way)
    everything = set(range(COUNT))
    if way == "none" and how in ("a quote", "no end", "no list", *STATUSES):
        return  # one answer, and not even its list is there: see test_nothing_readable_fails
    tool.how = how
    stats = custom.sync()
    found = numbers(custom)
    assert "incidents:i1" in custom.records()
    if (way, how) in STUCK:
        assert set(range(BAD - BAD % SIZE)) <= found <= everything - {BAD}
        (warning,) = [one for one in stats.warnings if "cannot be read" in one]
        assert "nothing says where the next one is" in warning
        assert "acme" in warning
    else:
        assert not [one for one in stats.warnings if "cannot be read" in one]
        assert [reason for _, _, reason in custom.rejects()] == [UNREADABLE]
        lost = everything - found
        assert BAD in lost
        unsized = "without a size" in way
        assert lost == {BAD} or (unsized and how in ("a quote", "no end", "no list", *STATUSES) and len(lost) <= SIZE)
    custom.transform()
    assert custom.rows("select count(*) from core.reported_deployments") == [(len(found),)]

    tool.how = ""
    tool.asked.clear()
    custom.sync()
    assert numbers(custom) == everything
    if (way, how) in STUCK:
        assert tool.positions()[0] not in ("", "0"), "it begins where it was stuck"
        most = COUNT - BAD if "link" in way else (COUNT - BAD) // SIZE + 3  # an address keeps the size of the part
        assert len(tool.asked) <= most, "and reads nothing else anew"
        custom.sync()
    assert custom.rejects() == []
    assert custom.sync().rows_written == 0


@pytest.mark.parametrize("how", ["no end", "500"])
def test_what_is_new_is_read_while_a_page_is_stuck(custom: Custom, tool: Tool, how: str) -> None:
    declare(custom, tool, "cursor", since=True)
    tool.how = how
    custom.sync()
    before = numbers(custom)
    assert before == set(range(BAD))
    tool.count = COUNT + 5
    tool.asked.clear()
    assert [one for one in custom.sync().warnings if "cannot be read" in one]
    assert numbers(custom) == before | set(range(COUNT, COUNT + 5))
    again = [one for one in tool.asked if "since" not in one and one != {"limit": "1"}]
    assert {one["cursor"] for one in again} == {f"c{BAD}"}, "only the stuck page is asked for again"
    tool.how = ""
    custom.sync()
    assert numbers(custom) == set(range(COUNT + 5))
    tool.asked.clear()
    assert custom.sync().warnings == []
    assert all("since" in one for one in tool.asked)


@pytest.mark.parametrize("way", ["cursor", "link"])
def test_a_record_that_was_lost_is_asked_for_again_by_itself(custom: Custom, tool: Tool, way: str) -> None:
    """With `since`, nothing else would ask for it before it changes."""
    declare(custom, tool, way, since=True)
    tool.how = "NaN"
    custom.sync()
    assert numbers(custom) == set(range(COUNT)) - {BAD}
    for _ in range(2):
        tool.asked.clear()
        custom.sync()
        assert len(tool.asked) == 2
        assert len(custom.rejects()) == 1
    tool.how = ""
    custom.sync()
    assert numbers(custom) == set(range(COUNT))
    assert custom.rejects() == []


def test_a_stuck_page_whose_name_has_expired_is_read_from_the_start(custom: Custom, tool: Tool) -> None:
    declare(custom, tool, "cursor", since=True)
    tool.how = "no end"
    custom.sync()
    tool.how = ""
    real = tool.answer
    tool.answer = lambda path, asked, address: (  # type: ignore[method-assign]
        (410, {}, b"{}") if asked.get("cursor") == f"c{BAD}" else real(path, asked, address)
    )
    custom.sync()
    assert numbers(custom) == set(range(COUNT))


@pytest.mark.parametrize("way", ["page", "offset", "cursor", "link", "none"])
@pytest.mark.parametrize("how", ["no list", "500"])
def test_nothing_readable_fails(custom: Custom, tool: Tool, way: str, how: str) -> None:
    declare(custom, tool, way)
    tool.how = how
    real = tool.answer
    tool.answer = lambda path, asked, address: real(path, {"offset": str(BAD), "limit": "1"}, address)  # type: ignore[method-assign]
    with pytest.raises(PulseError):
        custom.sync()
    assert len(tool.asked) < 60
    assert custom.records() == {}


@pytest.mark.parametrize("since", [False, True])
@pytest.mark.parametrize("status", [403, 404, 409, 422, 451])
@pytest.mark.parametrize("way", ["page", "cursor"])
def test_a_page_that_is_refused_leaves_the_others(
    custom: Custom, tool: Tool, way: str, status: int, since: bool
) -> None:
    declare(custom, tool, way, since=since)
    real = tool.answer
    tool.answer = lambda path, asked, address: (  # type: ignore[method-assign]
        (status, {}, b"{}") if asked.get("cursor") == "c20" or asked.get("page") == "3" else real(path, asked, address)
    )
    for _ in range(3):
        assert [one for one in custom.sync().warnings if "cannot be read" in one]
        assert numbers(custom) == set(range(20))
        assert "incidents:i1" in custom.records()
    tool.count = COUNT + 5
    custom.sync()
    assert numbers(custom) == set(range(20)) | (set(range(COUNT, COUNT + 5)) if since else set())
    tool.answer = real  # type: ignore[method-assign]
    custom.sync()
    assert numbers(custom) == set(range(COUNT + 5))


@pytest.mark.parametrize("null", [False, True], ids=["empty", "null"])
@pytest.mark.parametrize("way", ["page", "offset", "cursor", "link"])
def test_a_page_without_records_is_not_the_last(custom: Custom, tool: Tool, way: str, null: bool) -> None:
    declare(custom, tool, way)
    if way in ("page", "offset"):
        custom.streams[0]["pagination"] = WAYS[way] | {"more": "more"}
    tool.empty, tool.null = 20, null
    custom.sync()
    assert numbers(custom) == set(range(COUNT)) - set(range(20, 30))


@pytest.mark.parametrize(
    ("body", "items", "broken", "value"),
    [
        (b'{"items": [{"id": 1}, {"id": NaN}, {"id": 3}], "next": "x"}', [{"id": 1}, {"id": 3}], 1, "x"),
        (b'{"next": "x", "items": [{"id": 1}, {"id": 2', [{"id": 1}], 1, "x"),
        (b'{"items": [{"id": 1, "next": "no"}, {"id": 2, "a": {"items": [5]}}, ], "next": 7}', None, 0, 7),
        (b'{"items": [{"id": 1}, {"id": 2, {"id": 3}], "next": null}', [{"id": 1}], 1, None),
        (b'{"items": [{"t": "\\"next\\": \\"no\\", ]"}, {x}], "next": "x"}', [{"t": '"next": "no", ]'}], 1, "x"),
        (b'{"items": [{"t": "5" wide"}], "next": "x"}', None, 1, "x"),
        (b'{"items": [{"t": "5" wide", "next": "y"}], "next": "x"}', None, 1, ABSENT),
        (b'{"items": [' + b"[" * 100, [], 0, ABSENT),
        (b"oh no", [], 0, ABSENT),
        (b"", [], 0, ABSENT),
    ],
)
def test_what_is_salvaged(body: bytes, items: list[Any] | None, broken: int, value: Any) -> None:
    found = salvage(body, "items", ["next"])
    assert items is None or found.items == items
    assert len(found.broken) == broken
    assert found.values["next"] == value
