"""The analytics API: every row once, whatever the size of a page; one's own rows only; errors that say what to do."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from tests.api.conftest import NOW, PASSWORD, ROOT, Data
from tests.support.airflow_api import wait_for

RESOURCES = {
    "metrics": "kpi_by_scope",
    "series": "metric_series",
    "drivers": "metric_drivers",
    "signals": "metric_signals",
    "deployments": "evidence_deployments",
    "changes": "evidence_changes",
    "incidents": "evidence_incidents",
    "work-items": "work_items",
    "restatements": "restatements",
}
DOCS = Path(__file__).parents[2] / "docs" / "api.md"


@pytest.mark.parametrize("resource", RESOURCES)
def test_pages_hold_every_row_of_the_client_once(data: Data, resource: str) -> None:
    api = data.api("techcorp")
    whole = api.rows(f"{resource}?limit=1000")
    assert len(whole) == data.count(data.techcorp, RESOURCES[resource]) > 0
    assert {row["client_id"] for row in whole} == {data.techcorp.client_id}
    size = max(1, len(whole) // 7)
    parts = api.rows(f"{resource}?limit={size}")
    assert parts == whole
    assert len({json.dumps(row, sort_keys=True) for row in whole}) == len(whole)


def test_the_newest_row_comes_first_and_one_that_comes_in_between_is_not_read_twice(data: Data) -> None:
    api = data.api("techcorp")
    first = api.get("changes?limit=3").json()
    merged = [row["merged_at"] for row in first["data"]]
    assert merged == sorted(merged, reverse=True)
    shop = data.techcorp.rows("select id from core.github_repositories order by id")[0][0]
    data.techcorp.change(shop, "newest", NOW - timedelta(hours=3), 1)
    data.techcorp.compute(NOW)
    data.pages.db.wait_replica()
    second = api.get(first["next"]).json()
    assert not {row["change_id"] for row in first["data"]} & {row["change_id"] for row in second["data"]}
    assert second["data"][0]["merged_at"] <= merged[-1]
    assert api.get("changes?limit=1").json()["data"][0]["title"] == "Change newest"


def test_filters_and_times(data: Data) -> None:
    api = data.api("techcorp")
    shop = api.rows("changes?limit=1000&service_name=techcorp-shop")
    both = api.rows("changes?limit=1000&service_name=techcorp-shop&service_name=techcorp-pay&is_bot=false")
    assert {row["service_name"] for row in shop} == {"techcorp-shop"}
    assert len(both) == data.count(data.techcorp, "evidence_changes")
    since, until = ((NOW - timedelta(days=n)).isoformat() for n in (20, 10))
    some = api.rows(f"changes?since={quote(since)}&until={quote(until)}")
    assert some
    assert all(since <= row["merged_at"] < until for row in some)
    everything = api.rows("changes?limit=1000")
    assert len(some) == sum(since <= row["merged_at"] < until for row in everything)
    assert api.rows("changes?service_name=nobody") == []
    assert api.rows("metrics?scope_type=client&metric_type=deployment_frequency")[0]["metric_value"] > 0


def test_csv_has_the_same_rows_and_no_formulas(data: Data, superuser: psycopg.Connection[Any]) -> None:
    api = data.api("techcorp")
    superuser.execute(
        "update core.changes set title = '=HYPERLINK(1)' where client_id = %s and title like '%%secret 5'",
        [data.techcorp.client_id],
    )
    superuser.commit()
    data.pages.db.wait_replica()
    answer = api.get("changes?format=csv&limit=1000&merge_commit_sha=techcorp-shop5")
    assert answer.headers["content-type"].startswith("text/csv")
    [row] = csv.DictReader(io.StringIO(answer.text))
    [same] = api.rows("changes?merge_commit_sha=techcorp-shop5")
    assert set(row) == set(same)
    assert row["title"] == "'=HYPERLINK(1)"
    assert row["change_id"] == same["change_id"]
    assert api.get("changes?limit=1", Accept="text/csv").headers["content-type"].startswith("text/csv")
    assert 'rel="next"' in api.get("changes?limit=1", Accept="text/csv").headers["link"]


def test_an_etag_holds_until_the_clients_data_changes(data: Data) -> None:
    api, other = data.api("techcorp"), data.api("acme")
    tag, others = (one.get("series?limit=5").headers["etag"] for one in (api, other))
    again = api.get("series?limit=5", **{"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert api.get("series?limit=6", **{"If-None-Match": tag}).status_code == 200
    assert api.get("series?limit=5&format=csv", **{"If-None-Match": tag}).status_code == 200
    assert other.get("series?limit=5", **{"If-None-Match": tag}).status_code == 200
    with psycopg.connect(data.pages.db.cluster.primary.url("postgres", data.pages.db.name)) as conn:
        conn.execute(
            "update core.data_versions set version = version + 1 where client_id = %s", [data.techcorp.client_id]
        )
    wait_for("a new tag", lambda: api.get("series?limit=5", **{"If-None-Match": tag}).status_code == 200, 30)
    assert other.get("series?limit=5", **{"If-None-Match": others}).status_code == 304


@pytest.mark.parametrize("client", ["techcorp", "acme"])
@pytest.mark.parametrize("resource", RESOURCES)
def test_nobody_reads_another_clients_rows(data: Data, client: str, resource: str) -> None:
    other = {"techcorp": data.acme, "acme": data.techcorp}[client]
    api = data.api(client)
    assert api.rows(f"{resource}?client_id={other.client_id}") == []
    name = {"techcorp": "acme", "acme": "techcorp"}[client]
    for kind in ("json", "csv"):
        text = api.get(f"{resource}?limit=1000&format={kind}").text
        assert not [mark for mark in (f"{name}-shop", f"{name}-pay", f"{name} secret") if mark in text]
    # A cursor of the other client's leads to one's own rows.
    theirs = data.api(name).get(f"{resource}?limit=1").json()["next"]
    if theirs:
        theirs = theirs.replace("limit=1&", "limit=1000&")
        assert {row["client_id"] for row in api.rows(theirs)} <= {data.pages.clients[client]}


def test_staff_read_all_clients_and_a_visitor_reads_nothing(data: Data) -> None:
    staff = data.api("staff")
    assert {row["client_id"] for row in staff.rows("changes?limit=1000")} == set(data.pages.clients.values())
    one = staff.rows(f"changes?limit=1000&client_id={data.acme.client_id}")
    assert len(one) == data.count(data.acme, "evidence_changes")
    visitor = data.api(None)
    for path in (*RESOURCES, "openapi.json", "nothing"):
        answer = visitor.get(path)
        assert answer.status_code == 401, path
        assert "acme-" not in answer.text


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("changes?color=red", "color"),
        ("changes?limit=0", "limit"),
        ("changes?limit=1001", "limit"),
        ("changes?limit=many", "limit"),
        ("changes?limit=9999999999999999999", "limit"),
        ("changes?limit=1&limit=2", "limit"),
        ("changes?format=xml", "format"),
        ("changes?cursor=garbage", "cursor"),
        ("changes?cursor=WyJhIl0", "cursor"),
        ("changes?cursor=WzEsMiwzXQ", "cursor"),
        ("changes?cursor=WyJ4IiwiYSIsIjEiXQ", "does not fit"),
        ("changes?since=yesterday%20evening", "does not fit"),
        ("changes?merged_at=soon", "does not fit"),
        ("changes?number=one", "does not fit"),
        ("changes?is_bot=perhaps", "does not fit"),
        ("changes?title=%00", "title"),
        ("changes?" + "&".join(["title=a"] * 51), "title"),
        ("metrics?since=2026-01-01", "since"),
        ("restatements?evidence=1", "evidence"),
        ("changes?title%22%3B--=1", "such field"),
    ],
)
def test_a_mistake_is_told(data: Data, path: str, told: str) -> None:
    answer = data.api("techcorp").get(path)
    assert answer.status_code == 400, answer.text
    assert told in answer.json()["message"]
    assert "psycopg" not in answer.text
    assert "report." not in answer.text


@pytest.mark.parametrize("value", ["' or 1=1 --", '"; drop table core.changes; --', "{a,b}", "\\", "%s", "%(a)s", "$1"])
def test_a_value_is_a_value(data: Data, value: str) -> None:
    api = data.api("techcorp")
    assert api.rows(f"changes?title={quote(value)}") == []
    assert api.get(f"changes?since={quote(value)}").status_code == 400


def test_an_unknown_resource_says_which_there_are(data: Data) -> None:
    answer = data.api("techcorp").get("secrets")
    assert answer.status_code == 404
    assert all(name in answer.json()["message"] for name in RESOURCES)


def test_the_document_is_true(data: Data) -> None:
    api = data.api("techcorp")
    document = api.get("openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]) == {f"{ROOT}{name}" for name in RESOURCES}
    page = api.get("docs/").text
    for name in RESOURCES:
        [row] = api.get(f"{name}?limit=1").json()["data"]
        properties = document["components"]["schemas"][name]["properties"]
        assert set(row) == set(properties)
        assert all(one["description"] for one in properties.values()), name
        parameters = {one["name"] for one in document["paths"][f"{ROOT}{name}"]["get"]["parameters"]}
        assert {"limit", "cursor", "format", "client_id"} <= parameters
        assert name in page
        assert all(f"<code>{field}</code>" in page for field in properties)


def test_the_example_of_the_docs_runs(data: Data) -> None:
    [code] = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.S)
    code = code.replace("http://127.0.0.1:8088", data.pages.url).replace('"…"', repr(PASSWORD))
    code = code.replace("2026-11-01", "2026-02-01")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert re.match(r"\d\d+ changes; the newest: ", done.stdout)
