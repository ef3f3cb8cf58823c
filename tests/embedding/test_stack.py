"""A guest and the charts of the running Superset: the one dashboard's own queries, and nothing else."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from pulse.superset.api import SupersetError
from tests.support.embedding import DASHBOARD, GuestTokens, guests_of
from tests.support.stack import client_ids, login_of, superset_service
from tests.support.superset_api import SupersetSession

pytestmark = pytest.mark.reads_stack
Query = dict[str, Any]


class Guest:
    """Somebody who has a guest token, and sends what they like with it."""

    def __init__(self, tokens: GuestTokens) -> None:
        self.tokens = tokens

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        headers = {"X-GuestToken": self.tokens.token(), **kwargs.pop("headers", {})}
        return requests.request(method, f"{self.tokens.superset}/{path}", headers=headers, timeout=60, **kwargs)

    def ask(self, query: Query) -> requests.Response:
        return self.call("POST", "api/v1/chart/data", json=query)


@pytest.fixture(scope="module")
def guest(stack: dict[str, Any]) -> Guest:
    return Guest(guests_of(stack))


@pytest.fixture(scope="module")
def staff(stack: dict[str, Any]) -> SupersetSession:
    login = login_of(stack, "superset", "staff")
    return SupersetSession(stack["addresses"]["superset"], login["username"], login["password"])


def queries_of(staff: SupersetSession, slug: str) -> dict[str, Query]:
    """What each chart of a dashboard asks for, as its page would send it."""
    dashboard = staff.call("GET", f"api/v1/dashboard/{slug}").json()["result"]
    found = {}
    for chart in staff.call("GET", f"api/v1/dashboard/{slug}/charts").json()["result"]:
        stored = staff.call("GET", f"api/v1/chart/{chart['id']}").json()["result"]
        query = json.loads(stored["query_context"])
        query["form_data"] |= {"slice_id": chart["id"], "chart_id": chart["id"], "dashboardId": dashboard["id"]}
        found[chart["slice_name"]] = query
    assert found
    return found


@pytest.fixture(scope="module")
def queries(staff: SupersetSession) -> dict[str, Query]:
    return queries_of(staff, DASHBOARD)


def test_a_guest_sees_every_chart_of_the_dashboard_with_own_rows(
    stack: dict[str, Any], guest: Guest, queries: dict[str, Query]
) -> None:
    ids, rows = client_ids(stack), 0
    for title, query in queries.items():
        answer = guest.ask(query)
        assert answer.status_code == 200, f"{title}: {answer.status_code} {answer.text[:300]}"
        for result in answer.json()["result"]:
            assert "query" not in result
            for row in result["data"]:
                rows += 1
                assert row.get("client_id", ids["techcorp"]) == ids["techcorp"]
    assert rows > 20
    other = Guest(guests_of(stack, "acme"))
    title = next(title for title in queries if guest.ask(queries[title]).json()["result"][0]["data"])
    assert (
        other.ask(queries[title]).json()["result"][0]["data"] != guest.ask(queries[title]).json()["result"][0]["data"]
    )


def test_a_guest_gets_the_dashboard_and_no_other(guest: Guest, staff: SupersetSession) -> None:
    number = staff.call("GET", f"api/v1/dashboard/{DASHBOARD}").json()["result"]["id"]
    for name in (DASHBOARD, number):
        for part in ("", "/charts", "/datasets", "/tabs"):
            assert guest.call("GET", f"api/v1/dashboard/{name}{part}").status_code == 200, part
    for slug in ("evidence", "delivery", "portfolio", "operations", "nothing"):
        for part in ("", "/charts", "/datasets", "/tabs"):
            assert guest.call("GET", f"api/v1/dashboard/{slug}{part}").status_code in (403, 404), (slug, part)
    me = guest.call("GET", "api/v1/me/roles/").json()["result"]
    assert set(me["roles"]) == {"guest"}
    assert "can_csv" not in json.dumps(me)


def attacks(query: Query, other: Query, number: int) -> Iterator[tuple[str, Query]]:
    """Changes of a chart's query, each of which a guest must not make."""

    def changed(**parts: Any) -> Query:
        return copy.deepcopy(query) | parts

    def form(**parts: Any) -> Query:
        made = changed()
        made["form_data"] |= parts
        return {**made, "form_data": {k: v for k, v in made["form_data"].items() if v != "GONE"}}

    def asking(**parts: Any) -> Query:
        made = changed()
        made["queries"][0] |= parts
        return made

    for kind in ("csv", "xlsx"):
        yield f"a file ({kind})", changed(result_format=kind)
    for kind in ("samples", "drill_detail", "query", "results", "columns", "timegrains", "post_processed"):
        yield f"another result ({kind})", changed(result_type=kind)
        yield f"another result of a query ({kind})", asking(result_type=kind)
    yield "no form", {k: v for k, v in changed().items() if k != "form_data"}
    yield "an empty form", changed(form_data={})
    yield "no chart: drill to detail", form(slice_id="GONE")
    yield "no chart, by null", form(slice_id=None)
    yield "drill by", form(slice_id=0, chart_id=query["form_data"]["slice_id"], groupby=["service_name"])
    yield "a chart beside the chart", form(chart_id=other["form_data"]["slice_id"])
    yield "a chart instead of the chart", form(slice_id="GONE", chart_id=query["form_data"]["slice_id"])
    yield "a parent", form(parent_slice_id=query["form_data"]["slice_id"])
    yield "another dashboard's chart", copy.deepcopy(other)
    yield (
        "another dashboard's chart as one of this",
        {
            **copy.deepcopy(other),
            "form_data": other["form_data"] | {"dashboardId": query["form_data"]["dashboardId"]},
        },
    )
    yield "another dashboard", form(dashboardId=other["form_data"]["dashboardId"])
    yield "no dashboard", form(dashboardId="GONE")
    yield "another dataset", changed(datasource={"id": number, "type": "table"})
    yield "another column", asking(columns=["client_id"])
    yield (
        "another metric",
        asking(metrics=["count", {"expressionType": "SQL", "sqlExpression": "count(*)", "label": "x"}]),
    )
    yield "a condition in SQL", asking(extras={"where": "1 = 1"})
    yield "a filter without a name", form(type="NATIVE_FILTER")
    yield "a filter that there is not", form(type="NATIVE_FILTER", native_filter_id="NATIVE_FILTER-x")
    yield "a filter's name and other columns", form(type="NATIVE_FILTER", native_filter_id="NATIVE_FILTER-service")


def test_a_guest_changes_no_query(guest: Guest, staff: SupersetSession, queries: dict[str, Query]) -> None:
    title, query = next((title, query) for title, query in queries.items() if query["queries"][0].get("metrics"))
    assert guest.ask(query).status_code == 200
    others = queries_of(staff, "evidence")
    other = next(query for title, query in others.items() if title not in queries)
    number = next(q["datasource"]["id"] for q in others.values() if q["datasource"]["id"] != query["datasource"]["id"])
    tried = 0
    for what, attack in attacks(query, other, number):
        answer = guest.ask(attack)
        assert answer.status_code in (400, 403), f"{title}: {what}: {answer.status_code} {answer.text[:400]}"
        tried += 1
    assert tried > 30


def filter_query(staff: SupersetSession, filter_id: str) -> Query:
    """What a filter's pick list asks for."""
    dashboard = staff.call("GET", f"api/v1/dashboard/{DASHBOARD}").json()["result"]
    filters = json.loads(dashboard["json_metadata"])["native_filter_configuration"]
    target = next(one for one in filters if one["id"] == filter_id)["targets"][0]
    return {
        "datasource": {"id": target["datasetId"], "type": "table"},
        "queries": [{"columns": [target["column"]["name"]], "metrics": [], "row_limit": 1000, "filters": []}],
        "form_data": {"type": "NATIVE_FILTER", "native_filter_id": filter_id, "dashboardId": dashboard["id"]},
        "result_format": "json",
        "result_type": "full",
    }


def test_the_pick_list_of_a_filter_shows_own_values_of_its_column(
    stack: dict[str, Any], guest: Guest, staff: SupersetSession
) -> None:
    query = filter_query(staff, "NATIVE_FILTER-service")
    own = guest.ask(query)
    assert own.status_code == 200, own.text
    other = Guest(guests_of(stack, "acme")).ask(query)
    values = [
        {str(row) for row in answer.json()["result"][0]["data"]} - {"{'service_name': None}"} for answer in (own, other)
    ]
    assert values[0]
    assert not values[0] & values[1]
    for columns, metrics in ((["client_id"], []), ([], ["count"]), (query["queries"][0]["columns"], ["count"])):
        changed = copy.deepcopy(query)
        changed["queries"][0] |= {"columns": columns, "metrics": metrics}
        assert guest.ask(changed).status_code == 403, (columns, metrics)


def test_a_guest_saves_nothing_and_reads_nothing_saved(stack: dict[str, Any], guest: Guest) -> None:
    login = login_of(stack, "superset", "executive", "techcorp")
    person = SupersetSession(stack["addresses"]["superset"], login["username"], login["password"])
    number = person.call("GET", f"api/v1/dashboard/{DASHBOARD}").json()["result"]["id"]
    state = person.call("POST", f"api/v1/dashboard/{number}/filter_state", json={"value": '{"a": 1}'}).json()["key"]
    link = person.call("POST", f"api/v1/dashboard/{number}/permalink", json={"dataMask": {}}).json()["key"]
    for method, path, body in (
        ("GET", f"api/v1/dashboard/{number}/filter_state/{state}", None),
        ("PUT", f"api/v1/dashboard/{number}/filter_state/{state}", {"value": "{}"}),
        ("DELETE", f"api/v1/dashboard/{number}/filter_state/{state}", None),
        ("POST", f"api/v1/dashboard/{number}/filter_state", {"value": "{}"}),
        ("GET", f"api/v1/dashboard/permalink/{link}", None),
        ("POST", f"api/v1/dashboard/{number}/permalink", {"dataMask": {}}),
        ("POST", f"api/v1/dashboard/{number}/favorites/", None),
    ):
        assert guest.call(method, path, json=body).status_code == 403, (method, path)


def test_supersets_own_route_gives_no_token_to_anybody(stack: dict[str, Any]) -> None:
    """The service account may do everything in Superset, and not this."""
    for rls in ([], [{"clause": "1 = 1"}]):
        wanted = {"user": {"username": "x"}, "resources": [], "rls": rls}
        with pytest.raises(SupersetError) as refused:
            superset_service(stack).post("security/guest_token/", wanted)
        assert refused.value.status == 400
