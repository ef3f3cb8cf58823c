"""A custom source's record that nobody can read: its page is divided until it stands alone, and everything else is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from pulse.errors import UpstreamError
from pulse.sources.http_json import paging
from pulse.sources.http_json.records import UNREADABLE
from tests.support.custom import Custom
from tests.support.told import told

COUNT, SIZE = 230, 100
FIELDS = {"id": "id", "created_at": "at", "finished_at": "at"}
STREAM: dict[str, Any] = {
    "name": "deploys",
    "entity": "deployments",
    "path": "/deploys",
    "records": "items",
    "fields": FIELDS,
    "constants": {"service": "shop", "environment": "production", "result": "success"},
}
PAGINATIONS: dict[str, dict[str, Any]] = {
    "page": {"kind": "page", "param": "page", "size_param": "limit"},
    "page from 0": {"kind": "page", "param": "page0", "start": 0, "size_param": "limit"},
    "offset": {"kind": "offset"},
    "cursor": {"kind": "cursor", "next": "next", "param": "offset"},
    "link": {"kind": "link", "next": "link", "size_param": "limit"},
}


@dataclass
class Upstream:
    """Lists COUNT records. An answer that holds one of the `broken` ends before it is complete."""

    broken: set[int] = field(default_factory=set)
    cap: int = 1000
    cut: int = 20  # bytes that are missing
    asked: list[tuple[int, int]] = field(default_factory=list)

    def answer(self, asked: dict[str, str], address: str) -> bytes:
        limit = min(int(asked.get("limit", SIZE)), self.cap)
        if "page" in asked:
            start = (int(asked["page"]) - 1) * limit
        elif "page0" in asked:
            start = int(asked["page0"]) * limit
        else:
            start = int(asked.get("offset", 0))
        self.asked.append((start, limit))
        numbers = range(start, min(start + limit, COUNT))
        after = numbers.stop if numbers.stop < COUNT else None
        body = json.dumps(
            {
                "items": [{"id": f"d{number}", "at": "2026-06-01T10:00:00Z"} for number in numbers],
                "next": None if after is None else str(after),
                "link": None if after is None else f"{address}?offset={after}&limit={limit}",
            }
        ).encode()
        return body[: -self.cut] if self.broken & set(numbers) else body


@pytest.fixture
def upstream(custom: Custom, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    made = Upstream()
    json_type = {"Content-Type": "application/json"}
    with told(custom, monkeypatch, lambda _, asked, address: (200, json_type, made.answer(asked, address))):
        yield made


def ids(broken: set[int]) -> set[str]:
    return {f"deploys:d{number}" for number in range(COUNT) if number not in broken}


@pytest.mark.parametrize("broken", [{0}, {37}, {99, 100}, {205}, {COUNT - 1}], ids=str)
@pytest.mark.parametrize("kind", ["page", "page from 0", "offset"])
def test_all_but_the_unreadable_records_are_read(
    custom: Custom, upstream: Upstream, kind: str, broken: set[int]
) -> None:
    custom.streams = [STREAM | {"pagination": PAGINATIONS[kind]}]
    upstream.broken = broken
    custom.sync()
    assert set(custom.records()) == ids(broken)
    assert [reject[2] for reject in custom.rejects()] == [UNREADABLE] * len(custom.rejects())
    assert len(custom.rejects()) == len(broken)
    assert len(upstream.asked) < 60, "the pages grow again behind it"
    upstream.broken = set()
    custom.sync()
    assert set(custom.records()) == ids(set())
    assert custom.rejects() == [], "what can be read now is no longer a reject"


def test_the_same_record_is_rejected_once(custom: Custom, upstream: Upstream) -> None:
    custom.streams = [STREAM | {"pagination": PAGINATIONS["offset"]}]
    upstream.broken = {37}
    for _ in range(2):
        custom.sync()
        assert len(custom.rejects()) == 1


@pytest.mark.parametrize("kind", ["cursor", "link"])
def test_where_a_page_names_the_next_one_all_before_the_record_is_read(
    custom: Custom, upstream: Upstream, kind: str
) -> None:
    custom.streams = [STREAM | {"pagination": PAGINATIONS[kind]}]
    upstream.broken, upstream.cut = {137}, 110
    (warning,) = custom.sync().warnings
    assert "stream deploys: a page cannot be read" in warning
    assert "the answer is not JSON" in warning
    assert set(custom.records()) == {f"deploys:d{number}" for number in range(137)}
    upstream.broken = set()
    upstream.asked.clear()
    custom.sync()
    assert set(custom.records()) == ids(set())
    assert upstream.asked[0][0] > 100, "it goes on where it stopped"


@pytest.mark.parametrize("kind", ["page", "offset"])
def test_an_upstream_with_a_cap_loses_nothing(custom: Custom, upstream: Upstream, kind: str) -> None:
    """Where pages are numbered and shorter than asked, nobody knows which records a later page holds: it is not divided, but
    read as far as it can be."""
    custom.streams = [STREAM | {"pagination": PAGINATIONS[kind]}]
    upstream.cap, upstream.broken = 30, {7}
    custom.sync()
    assert set(custom.records()) == ids({7})
    upstream.broken = {137}
    custom.sync()
    assert set(custom.records()) == ids(set()), "137 is whole, but for a page of its own"


def test_an_upstream_that_says_nothing_readable_fails(custom: Custom, upstream: Upstream) -> None:
    custom.streams = [STREAM | {"pagination": PAGINATIONS["offset"]}]
    upstream.broken = set(range(COUNT))
    with pytest.raises(UpstreamError, match="the answer is not JSON"):
        custom.sync()
    assert len(upstream.asked) < 40
    assert custom.records() == {}


@pytest.mark.parametrize("size", [1, 2, 7, 60, 97, 100, 1000])
@pytest.mark.parametrize("kind", ["page", "offset"])
def test_parts_cover_a_page_and_nothing_twice(custom: Custom, upstream: Upstream, kind: str, size: int) -> None:
    """No record is in two answers that could be read, and the walk never steps over one."""
    custom.streams = [STREAM | {"pagination": PAGINATIONS[kind] | {"size": size}}]
    upstream.broken = {0, 61, 62, 150}
    stats = custom.sync()
    assert set(custom.records()) == ids(upstream.broken)
    assert stats.rows_read == COUNT


def test_a_position_grows_back_to_the_declared_size() -> None:
    stream = {"kind": "page", "param": "page", "size_param": "limit"}
    pagination = paging.PagePagination.model_validate(stream)
    part = paging.narrowed(pagination, {"page": 3})
    assert part == {"page": 5, "size": 50}
    answer: Any = None
    assert paging.next_position(pagination, part, answer, [1] * 50) == {"page": 6, "size": 50}
    assert paging.next_position(pagination, {"page": 6, "size": 50}, answer, [1] * 50) == {"page": 4}
