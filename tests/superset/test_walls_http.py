"""What the running Superset tells, keeps and takes: errors, versions, links, sizes, other hosts."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from stack.context import existing_stack
from tests.support.stack import login_of
from tests.support.superset_api import SupersetSession
from tests.support.superset_ways import form_login, in_running_superset

pytestmark = pytest.mark.reads_stack
TELLTALES = re.compile(
    r"select\b|\bfrom report\.|psycopg|sqlalchemy|traceback|line \d+|127\.0\.0\.1|localhost|pulse_client|gunicorn|werkzeug"
    r"|6\.1\.0|python",
    re.IGNORECASE,
)


def person(stack: dict[str, Any], role: str, client: str) -> SupersetSession:
    login = login_of(stack, "superset", role, client)
    return SupersetSession(stack["addresses"]["superset"], login["username"], login["password"])


@pytest.fixture(scope="module")
def executive(stack: dict[str, Any]) -> SupersetSession:
    return person(stack, "executive", "techcorp")


@pytest.fixture(scope="module")
def colleague(stack: dict[str, Any]) -> SupersetSession:
    return person(stack, "manager", "techcorp")


@pytest.fixture(scope="module")
def stranger(stack: dict[str, Any]) -> SupersetSession:
    return person(stack, "executive", "acme")


@pytest.fixture(scope="module")
def dashboard(executive: SupersetSession) -> int:
    return int(executive.call("GET", "api/v1/dashboard/executive-overview").json()["result"]["id"])


# ------------------------------------------------------------------------------------------------------------- errors

WRONG: dict[str, dict[str, Any]] = {
    "an unknown column": {"columns": ["no_such_column"]},
    "a value of another type": {"columns": ["client_id"], "filters": [{"col": "client_id", "op": "==", "val": "x"}]},
    "an invalid date": {"columns": ["client_id"], "time_range": "nonsense : nonsense", "granularity": "period_at"},
    "an unknown metric": {"metrics": ["no_such_metric"]},
    "an unknown order": {"columns": ["client_id"], "orderby": [["no_such_column", True]]},
    "an unknown operator": {"columns": ["client_id"], "filters": [{"col": "client_id", "op": "x", "val": 1}]},
    "a number as a column": {"columns": [1]},
}


@pytest.mark.parametrize("what", sorted(WRONG))
def test_errors_tell_no_sql_host_or_version(executive: SupersetSession, what: str) -> None:
    answer = executive.chart_data(executive.dataset_id("metric_series"), **WRONG[what])
    if answer.status_code == 200:  # Superset takes some of these
        assert answer.json()["result"][0]["error"] is None
        return
    assert answer.status_code >= 400
    assert not TELLTALES.search(answer.text), answer.text
    assert answer.json()["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "api/v1/nothing"),
        ("GET", "nothing"),
        ("GET", "version"),
        ("GET", "api/v1/user/1/avatar.png"),
        ("GET", "api/v1/chart/999999999999999999999999"),
        ("GET", "api/v1/dashboard/permalink/%00"),
        ("GET", "superset/dashboard/p/nothing/"),
        ("GET", "lang/nothing"),
        ("GET", "static/nothing"),
        ("POST", "api/v1/chart/data"),
        ("PATCH", "api/v1/me/"),
        ("TRACE", "api/v1/me/"),
    ],
)
def test_errors_of_addresses_tell_nobody_anything(
    stack: dict[str, Any], executive: SupersetSession, method: str, path: str
) -> None:
    visitor = requests.request(method, f"{stack['addresses']['superset']}/{path}", allow_redirects=False, timeout=60)
    for answer in (visitor, executive.call(method, path, allow_redirects=False)):
        assert answer.status_code >= 300
        assert not TELLTALES.search(answer.text), answer.text
        assert "6.1" not in str(answer.headers)


# ----------------------------------------------------------------------------------------------------- links and states


def test_a_link_is_shared_within_the_client_only(
    executive: SupersetSession, colleague: SupersetSession, stranger: SupersetSession, dashboard: int
) -> None:
    state = {"dataMask": {"x": {"filterState": {"value": ["a service of TechCorp"]}}}}
    made = executive.call("POST", f"api/v1/dashboard/{dashboard}/permalink", json=state)
    assert made.status_code == 201, made.text
    key = made.json()["key"]
    path = f"api/v1/dashboard/permalink/{key}"
    for reader in (executive, colleague):
        assert "a service of TechCorp" in reader.call("GET", path).text
        page = reader.call("GET", f"superset/dashboard/p/{key}/", allow_redirects=False)
        assert page.status_code == 302
        assert "/superset/dashboard/" in page.headers["Location"]
    for found in (
        stranger.call("GET", path),
        stranger.call("GET", f"superset/dashboard/p/{key}/", allow_redirects=False),
    ):
        assert found.status_code == 404
        assert "TechCorp" not in found.text
    # In a browser, a page in words, and the same one for a key that never was.
    opened = [
        stranger.call("GET", f"superset/dashboard/p/{one}/", allow_redirects=False, headers={"Accept": "text/html"})
        for one in (key, "abcdefghijk", "%00", "x" * 300, "'--")
    ]
    for page in opened:
        assert (page.status_code, page.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
        assert "leads to no view of yours" in page.text
    assert len({page.text for page in opened}) == 1


def test_the_state_of_filters_is_shared_within_the_client_only(
    executive: SupersetSession, colleague: SupersetSession, stranger: SupersetSession, dashboard: int
) -> None:
    path = f"api/v1/dashboard/{dashboard}/filter_state"
    made = executive.call("POST", path, json={"value": '{"x": "a service of TechCorp"}'})
    assert made.status_code == 201, made.text
    one = f"{path}/{made.json()['key']}"
    for reader in (executive, colleague):
        assert "a service of TechCorp" in reader.call("GET", one).text
    for method, body in (("GET", None), ("PUT", {"value": '{"x": "mine"}'}), ("DELETE", None)):
        assert "TechCorp" not in stranger.call(method, one, json=body).text
    assert "a service of TechCorp" in executive.call("GET", one).text


def test_only_so_many_links_are_kept(stack: dict[str, Any], executive: SupersetSession, dashboard: int) -> None:
    path = f"api/v1/dashboard/{dashboard}/permalink"
    state = {"dataMask": {"x": {"filterState": {"value": ["one of many"]}}}}
    first = executive.call("POST", path, json=state).json()["key"]
    copies = (
        "from pulse_superset import store\n"
        "with app.app_context():\n"
        '    store.run("insert into key_value (resource, value, uuid, created_on, created_by_fk)'
        " select resource, value, gen_random_uuid(), now(), created_by_fk from key_value,"
        " generate_series(1, 300) where id = (select max(id) from key_value where resource = 'dashboard_permalink')\")\n"
        "result = True"
    )
    in_running_superset(copies)
    made = executive.call("POST", path, json={"dataMask": {"x": {"filterState": {"value": ["the newest"]}}}})
    assert made.status_code == 201
    assert executive.call("GET", f"api/v1/dashboard/permalink/{first}").status_code == 404
    count = in_running_superset(
        "from pulse_superset import store\n"
        "with app.app_context():\n"
        '    result = store.run("select max(n) from (select count(*) as n from key_value'
        " where resource = 'dashboard_permalink' group by created_by_fk) as x\")[0][0]"
    )
    assert count <= 200
    assert executive.call("GET", f"api/v1/dashboard/permalink/{made.json()['key']}").status_code == 200


# -------------------------------------------------------------------------------------------------------------- sizes


def test_large_requests_are_refused(executive: SupersetSession, dashboard: int) -> None:
    large = {"value": "x" * 17_000}
    assert executive.call("POST", f"api/v1/dashboard/{dashboard}/filter_state", json=large).status_code == 413
    mask = {"dataMask": {"x": {"filterState": {"value": ["x" * 17_000]}}}}
    assert executive.call("POST", f"api/v1/dashboard/{dashboard}/permalink", json=mask).status_code == 413
    dataset = executive.dataset_id("metric_series")
    answer = executive.chart_data(dataset, columns=["client_id"], applied_time_extras={"x": "x" * 140_000})
    assert answer.status_code == 413
    assert executive.call("GET", "api/v1/me/", params={"x": "x" * 9000}).status_code in (400, 414)
    assert executive.call("GET", "api/v1/me/", headers={"X-Long": "x" * 9000}).status_code in (400, 431)


def test_the_log_of_events_takes_little(executive: SupersetSession) -> None:
    count = (
        "from pulse_superset import store\nwith app.app_context():\n"
        "    result = list(store.run(\"select count(*), max(length(json)) from logs where action = 'log'\")[0])"
    )
    before, _ = in_running_superset(count)
    for events in ([{}] * 8_000, [{"x": "y" * 100_000}]):
        answer = executive.call("POST", "superset/log/?explode=events", data={"events": json.dumps(events)})
        assert answer.status_code == 200, answer.text
    after, longest = in_running_superset(count)
    assert 1 <= after - before <= 21
    assert longest <= 1000


# ---------------------------------------------------------------------------------------------------------- the pages


class Links(HTMLParser):
    """What a browser loads by itself from a page: everything but the links to click on."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if tag != "a" and name in ("src", "href", "action", "data", "poster", "srcset", "content") and value:
                self.found.append(value)


@pytest.fixture(scope="module")
def pages(stack: dict[str, Any]) -> list[requests.Response]:
    """The login page, the dashboard and a refusal, as a browser gets them."""
    login = login_of(stack, "superset", "executive", "techcorp")
    base = stack["addresses"]["superset"]
    browser = form_login(base, login["username"], login["password"])
    return [
        requests.get(f"{base}/login/", timeout=60),
        browser.get(f"{base}/superset/dashboard/executive-overview/", timeout=60),
        browser.get(f"{base}/nothing", timeout=60),
    ]


def test_no_page_asks_a_host_outside(stack: dict[str, Any], pages: list[requests.Response]) -> None:
    own = urlsplit(stack["addresses"]["superset"]).netloc
    for page in pages:
        links = Links()
        links.feed(page.text)
        outside = [link for link in links.found if urlsplit(link).netloc not in ("", own)]
        assert not outside, f"{page.url}: {outside}"
        assert "Access-Control-Allow-Origin" not in page.headers
    for page in pages[:2]:
        loads = re.sub(r"frame-ancestors[^;]*;?", "", page.headers["Content-Security-Policy"])
        assert not re.search(r"https?:|wss?:|\*", loads), loads


def test_no_page_tells_the_version(pages: list[requests.Response]) -> None:
    for page in pages:
        assert "6.1.0" not in page.text
        assert "6.1" not in str(page.headers)


def test_cookies_are_for_https_only_where_the_visitor_came_by_https(stack: dict[str, Any]) -> None:
    """As the proxy in front says, if it is trusted: tests/superset/test_edge.py."""
    cookies = in_running_superset(
        "result = [app.test_client().get('/login/', base_url=base).headers['Set-Cookie']"
        " for base in ('http://pulse.example', 'https://pulse.example')]"
    )
    assert "Secure" not in cookies[0]
    assert "Secure" in cookies[1]
    assert all("HttpOnly" in cookie and "SameSite=Lax" in cookie for cookie in cookies)


def test_every_secret_signs_one_thing(stack: dict[str, Any]) -> None:
    installation = existing_stack()
    assert installation is not None
    found = in_running_superset(
        "names = ('SECRET_KEY', 'GUEST_TOKEN_JWT_SECRET', 'GLOBAL_ASYNC_QUERIES_JWT_SECRET')\n"
        "result = [app.config[name] for name in names]"
    )
    assert len(set(found)) == 3
    assert found[0] == installation.settings.secrets["PULSE_SUPERSET_SECRET_KEY"]
    assert all(len(secret) >= 64 for secret in found)
