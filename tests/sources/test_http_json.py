"""Custom sources: what an admin declares is read completely, with every pagination, and kept up to date."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pulse.errors import AuthError, ConfigError, UpstreamError
from pulse.sources.base import Credential
from pulse.sources.http_json.client import EMPTY_PAGES
from pulse.warehouse.runs import RunStats
from tests.support.custom import DEPLOYS, KEY, PAGED, PAGER, Custom


@pytest.mark.parametrize("kind", PAGED)
def test_every_pagination_returns_everything_once(custom: Custom, kind: str) -> None:
    custom.streams = [DEPLOYS | PAGED[kind]]
    stats = custom.sync()
    wanted = custom.upstream("deployments")
    assert len(wanted) > 300
    assert set(custom.records()) == {f"deploys:{one['id']}" for one in wanted}
    assert (stats.rows_read, stats.rows_written, stats.rows_rejected) == (len(wanted), len(wanted), 0)
    pages = -(-len(wanted) // 100)
    assert stats.api_calls == {"none": 1, "page": pages + 1, "offset": pages + 1}.get(kind, pages)


@pytest.mark.parametrize("kind", ["page", "offset", "cursor", "link"])
def test_an_upstream_that_returns_less_than_requested_is_read_to_the_end(custom: Custom, kind: str) -> None:
    """The sandbox returns at most 200 records per page."""
    stream = PAGED[kind]
    custom.streams = [DEPLOYS | stream | {"pagination": stream["pagination"] | {"size": 500}}]
    custom.sync()
    assert set(custom.records()) == {f"deploys:{one['id']}" for one in custom.upstream("deployments")}


def test_a_second_sync_writes_nothing(custom: Custom) -> None:
    assert custom.sync().rows_written > 300
    again = custom.sync()
    assert again.rows_read > 300
    assert again.rows_written == 0


@pytest.mark.parametrize(
    ("auth", "login"),
    [
        ({}, None),
        ({"kind": "bearer"}, None),
        ({"kind": "basic"}, "pulse"),
        ({"kind": "header"}, None),
        ({"kind": "header", "name": "x-api-key"}, None),
        ({"kind": "query"}, None),
    ],
    ids=str,
)
def test_every_kind_of_authentication_works_and_a_wrong_key_does_not(
    custom: Custom, auth: dict[str, Any], login: str | None
) -> None:
    custom.streams, custom.auth, custom.credential = [PAGER], auth, Credential(login, KEY)
    assert custom.sync().rows_written > 10
    custom.credential = Credential(login, "wrong key/+")
    with pytest.raises(AuthError, match="HTTP 401") as caught:
        custom.sync()
    assert "wrong" not in str(caught.value)


def test_without_authentication_nothing_is_signed(custom: Custom) -> None:
    custom.streams, custom.auth, custom.credential = [PAGER], {"kind": "none"}, Credential(None, "")
    with pytest.raises(AuthError, match="HTTP 401"):
        custom.sync()
    custom.streams = [PAGER | {"params": {"api_key": KEY}}]
    assert custom.sync().rows_written > 10


def test_a_key_that_the_upstream_repeats_in_its_links_is_not_stored(custom: Custom) -> None:
    custom.streams, custom.auth = [DEPLOYS | PAGED["link"]], {"kind": "query"}
    source = custom.source()
    kept: list[str] = []
    store = source.store

    def watched(pages: Any, checkpoints: Any = ()) -> None:
        store(pages, checkpoints)
        kept.extend(json.dumps(cursor) for (cursor,) in custom.rows("select cursor_data from core.etl_checkpoints"))

    source.store = watched  # type: ignore[method-assign]
    source.extract(source.discover()[0])
    assert any("page=2" in text for text in kept)
    assert not any(KEY in text for text in kept)


@pytest.mark.parametrize("secret", ["two\nlines", "“quoted”"])
def test_a_key_that_is_not_allowed_in_a_header_is_not_shown(custom: Custom, secret: str) -> None:
    custom.credential = Credential(None, secret)
    with pytest.raises(ConfigError, match="http_json__acme") as caught:
        custom.source()
    assert secret not in str(caught.value)
    custom.auth, custom.credential = {"kind": "basic"}, Credential(None, KEY)
    with pytest.raises(ConfigError, match="user name as the login of http_json__acme"):
        custom.source()


@pytest.mark.parametrize("form", ["iso", "epoch", "epoch_ms"])
def test_with_since_only_changes_are_requested(custom: Custom, form: str) -> None:
    custom.streams = [DEPLOYS | {"since": {"param": "updated_after", "format": form}}]
    custom.sandbox.set_clock("2026-06-20T12:00:00+00:00")
    first = custom.sync()
    assert set(custom.records()) == {f"deploys:{one['id']}" for one in custom.upstream("deployments")}
    watermark = datetime(2026, 6, 20, 11, 50, tzinfo=UTC)
    assert custom.rows("select watermark_at, cursor_data from core.etl_checkpoints") == [(watermark, {})]

    custom.sandbox.set_clock(None)
    changed = [
        one
        for one in custom.upstream("deployments")
        if datetime.fromisoformat(one["updated_at"]).replace(tzinfo=UTC) >= watermark
    ]
    second = custom.sync()
    assert 0 < second.rows_read == len(changed) < first.rows_read
    assert set(custom.records()) == {f"deploys:{one['id']}" for one in custom.upstream("deployments")}
    assert custom.rows("select watermark_at from core.etl_checkpoints") == [
        (datetime(2026, 6, 30, 11, 50, tzinfo=UTC),)
    ]


def test_another_mapping_reads_everything_again(custom: Custom) -> None:
    custom.streams = [DEPLOYS | {"since": {"param": "updated_after"}}]
    everything = custom.sync().rows_read
    assert custom.sync().rows_read < everything
    custom.streams[0] = custom.streams[0] | {"values": DEPLOYS["values"] | {"environment": {"prod": "live"}}}
    assert custom.sync().rows_read == everything
    assert {payload["record"]["environment"] for payload in custom.records().values()} == {"live", "staging"}


def test_what_a_complete_read_does_not_list_is_gone_until_it_comes_back(custom: Custom) -> None:
    custom.streams = [PAGER]
    custom.sync()
    everything = set(custom.records())
    custom.sandbox.set_clock("2026-01-01T12:00:00+00:00")
    left = {f"pager:{one['incident_id']}" for one in custom.incidents()}
    assert left < everything
    custom.sync()
    assert set(custom.records()) == left
    custom.transform()
    gone = {row[0] for row in custom.rows("select id from core.custom_incidents where deleted_at is not null")}
    assert gone == everything - left
    custom.sandbox.set_clock(None)
    custom.sync()
    custom.transform()
    assert set(custom.records()) == everything
    assert custom.rows("select id from core.custom_incidents where deleted_at is not null") == []


def test_nothing_is_deleted_from_a_stream_with_since_or_from_another_stream(custom: Custom) -> None:
    incremental = PAGER | {"since": {"param": "updated_after"}, "name": "incremental"}
    custom.streams = [incremental, PAGER, PAGER | {"name": "empty", "params": {"updated_after": "2026-06-30T12:00:00"}}]
    custom.sync()
    stored = set(custom.records())
    custom.sync()
    assert set(custom.records()) == stored
    assert {name.partition(":")[0] for name in stored} == {"incremental", "pager"}


def test_a_record_without_an_id_keeps_all_rows(custom: Custom) -> None:
    """It may be any of the stored records, so none is known to be gone."""
    custom.streams = [PAGER]
    custom.sync()
    stored = set(custom.records())
    nameless = [one | {"incident_id": None} for one in custom.incidents()[:1]]
    custom.sandbox.add_fault(path_regex="incidents", status=200, body={"incidents": nameless})
    custom.sync()
    assert set(custom.records()) == stored
    assert None in {row[0] for row in custom.rejects()}


@pytest.mark.parametrize("kind", ["page", "offset", "cursor", "link", "link in the answer"])
def test_a_repeated_page_ends_the_walk(custom: Custom, kind: str) -> None:
    custom.streams = [DEPLOYS | PAGED[kind]]
    part = custom.upstream("deployments")[:3]
    same = f"{custom.sandbox.url}/custom/acme/link/deployments?page=2"
    body: Any = {"deployments": part, "data": {"deployments": part}, "meta": {"next_cursor": "again"}, "next": same}
    headers = {"Link": f'<{same}>; rel="next"'} if kind == "link" else {}
    custom.sandbox.add_fault(
        path_regex="deployments", status=200, count=50, headers=headers, body=part if kind == "link" else body
    )
    with pytest.raises(UpstreamError, match="earlier one"):
        custom.sync()
    assert len(custom.records()) == 3


@pytest.mark.parametrize("kind", ["cursor", "link"])
def test_a_repeated_position_ends_the_walk(custom: Custom, kind: str) -> None:
    """Even if each of its answers is different, or empty."""
    custom.streams = [DEPLOYS | PAGED["cursor" if kind == "cursor" else "link in the answer"]]
    same = f"{custom.sandbox.url}/custom/acme/link/deployments?page=2"
    body: Any = {"deployments": [], "meta": {"next_cursor": "again"}, "next": same}
    custom.sandbox.add_fault(path_regex="deployments", status=200, count=50, body=body)
    stats = RunStats()
    source = custom.source(stats)
    with pytest.raises(UpstreamError, match="endlessly"):
        source.extract(source.discover()[0])
    assert stats.api_calls == 2


def test_endless_empty_pages_end_the_walk(custom: Custom) -> None:
    custom.streams = [DEPLOYS | PAGED["cursor"]]
    for number in range(EMPTY_PAGES + 1):
        body = {"deployments": [], "meta": {"next_cursor": str(number)}}
        custom.sandbox.add_fault(path_regex="deployments", status=200, body=body)
    with pytest.raises(UpstreamError, match="endlessly"):
        custom.sync()


def test_an_interrupted_walk_resumes_where_it_was(custom: Custom) -> None:
    custom.streams = [DEPLOYS | PAGED["cursor"]]
    wanted = {f"deploys:{one['id']}" for one in custom.upstream("deployments")}
    source = custom.source()
    store, pages = source.store, iter(range(3))

    def dies(found: Any, checkpoints: Any = ()) -> None:
        if next(pages) == 2:
            raise KeyboardInterrupt
        store(found, checkpoints)

    source.store = dies  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        source.extract(source.discover()[0])
    assert len(custom.records()) == 200
    assert custom.sync().rows_read == len(wanted) - 100
    assert set(custom.records()) == wanted
    assert custom.rows("select cursor_data from core.etl_checkpoints") == [({},)]


def test_a_walk_whose_position_is_forgotten_starts_again(custom: Custom) -> None:
    custom.streams = [DEPLOYS | PAGED["cursor"]]
    custom.sync()
    before = custom.records()
    custom.rows(
        'update core.etl_checkpoints set cursor_data = \'{"position": {"cursor": "no cursor"},'
        ' "started_at": "2026-06-30T11:00:00+00:00"}\' returning 1'
    )
    custom.sync()
    assert custom.records() == before
    assert custom.rows("select watermark_at, cursor_data from core.etl_checkpoints") == [
        (datetime(2026, 6, 30, 12, tzinfo=UTC) - timedelta(minutes=10), {})
    ]


def test_an_answer_without_the_declared_list_is_described(custom: Custom) -> None:
    custom.streams = [DEPLOYS | {"records": "result.items"}]
    with pytest.raises(ConfigError, match=r"no list at 'result.items'.*an object with deployments"):
        custom.sync()
    custom.streams = [DEPLOYS | {"records": ""}]
    with pytest.raises(ConfigError, match="the answer is not a list"):
        custom.sync()


def test_a_full_last_page_without_a_next_one_causes_a_warning(custom: Custom) -> None:
    custom.streams = [DEPLOYS | PAGED["cursor"] | {"pagination": {"kind": "cursor", "next": "meta.nxt"}}]
    assert any("check its pagination" in warning for warning in custom.sync().warnings)
