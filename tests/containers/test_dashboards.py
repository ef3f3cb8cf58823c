"""Through the edge's TLS, as an executive: the numbers, the sign-in, the push of a tool."""

from __future__ import annotations

import re

import pytest
import requests

from tests.containers.conftest import CLIENTS, Executive
from tests.containers.stack import Containers
from tests.support.superset_ways import form_login

HSTS = "Strict-Transport-Security"


@pytest.mark.parametrize("slug", CLIENTS)
def test_an_executives_numbers_are_those_of_the_replica(
    containers: Containers, executives: dict[str, Executive], slug: str
) -> None:
    shown = {row["metric_type"]: row["display_text"] for row in executives[slug].numbers()}
    stored = containers.sql(
        "select metric_type, display_text from report.kpi_current"
        f" where client_id = (select id from core.clients where slug = '{slug}')"
    )
    assert shown == dict(stored)
    assert len(shown) >= 5
    assert sum(bool(re.search(r"\d", text)) for text in shown.values()) >= 5, shown


def test_both_clients_are_shown_other_numbers(executives: dict[str, Executive]) -> None:
    assert executives["techcorp"].numbers() != executives["acme"].numbers()


def test_the_login_form_leads_to_the_dashboard_with_a_secure_cookie(executives: dict[str, Executive]) -> None:
    person = executives["techcorp"]
    browser = form_login(person.url, person.email, person.password)
    cookie = next(cookie for cookie in browser.cookies if cookie.name == "pulse_superset")
    assert cookie.secure
    page = browser.get(f"{person.url}/superset/dashboard/executive-overview/", timeout=60)
    assert page.status_code == 200
    assert "/login" not in page.url
    assert page.headers[HSTS].count("max-age") == 1, "the edge sends it, and Superset's own is dropped"


def test_pages_are_compressed_and_http_leads_to_https(containers: Containers) -> None:
    page = requests.get(f"{containers.url('superset')}/login/", timeout=60)
    assert page.headers.get("Content-Encoding") == "gzip"
    plain = f"http://localhost:{containers.variables['PULSE_EDGE_HTTP_PORT']}/login/"
    answer = requests.get(plain, timeout=30, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (301, "https://localhost/login/")


def test_a_visitor_cannot_choose_the_address_that_superset_sees(containers: Containers) -> None:
    headers = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example"}
    answer = requests.get(
        f"{containers.url('superset')}/superset/welcome/", headers=headers, timeout=60, allow_redirects=False
    )
    assert "evil.example" not in answer.headers.get("Location", "")
    assert all(cookie.secure for cookie in answer.cookies)
    assert "203.0.113.7" not in containers.compose("logs", "superset", "--no-log-prefix", "--tail", "20")


def test_what_tools_push_reaches_the_app_through_the_edge(containers: Containers) -> None:
    url = f"{containers.url('airflow')}/pulse/ingest/v1/techcorp/deployments"
    answer = requests.post(url, json=[], headers={"Authorization": "Bearer pulse_wrong"}, timeout=30)
    assert answer.status_code == 401, answer.text
    big = requests.post(url, data=b"x" * (3 << 20), timeout=30)
    assert big.status_code in (401, 413)
