"""Logins and sessions of clients' users against the running Superset: form and API."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from tests.support.stack import client_ids, database, login_of, wait_replica
from tests.support.superset_api import SupersetSession

USER = "lifecycle@techcorp.example"
PASSWORD = "correct horse battery"
WAIT_SECONDS = 10


def password_hash(password: str) -> str:
    salt = "0123456789abcdef"
    digest = hashlib.scrypt(password.encode(), salt=salt.encode(), n=32768, r=8, p=1, maxmem=132 * 32768 * 8 + 4096)
    return f"scrypt:32768:8:1${salt}${digest.hex()}"


def admin(stack: dict[str, Any], statement: str, *values: Any) -> None:
    """Run a statement on the primary, as sync_clients would; returns once the replica has it too."""
    with database(stack, "pulse_admin") as conn:
        conn.execute(statement, values)
    wait_replica(stack)


@contextmanager
def declared(stack: dict[str, Any], email: str) -> Iterator[str]:
    """A TechCorp user for this test alone, known to the replica."""
    remove = "delete from core.users where email = %s"
    admin(stack, remove, email)
    admin(
        stack,
        "insert into core.users (client_id, email, full_name, password_hash, role) values (%s, %s, 'Life Cycle', %s, 'manager')",
        client_ids(stack)["techcorp"],
        email,
        password_hash(PASSWORD),
    )
    try:
        yield email
    finally:
        admin(stack, remove, email)


@pytest.fixture
def user(stack: dict[str, Any]) -> Iterator[str]:
    with declared(stack, USER) as email:
        yield email


def browser(stack: dict[str, Any], username: str, password: str) -> requests.Session:
    """A cookie session after the login form; `.ok_login` says whether the login succeeded."""
    session = requests.Session()
    base = stack["addresses"]["superset"]
    page = session.get(f"{base}/login/", timeout=60)
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text, re.S)
    assert token
    session.post(
        f"{base}/login/",
        data={"username": username, "password": password, "csrf_token": token[1]},
        headers={"Referer": base},
        timeout=60,
    )
    return session


def is_in(stack: dict[str, Any], session: requests.Session) -> bool:
    answer = session.get(f"{stack['addresses']['superset']}/api/v1/me/", timeout=60)
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


def until_out(stack: dict[str, Any], session: requests.Session) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while is_in(stack, session):
        assert time.monotonic() < deadline, f"still in after {WAIT_SECONDS} s"
        time.sleep(0.1)


def claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return decoded


def api_login(stack: dict[str, Any], username: str, password: str) -> requests.Response:
    body = {"username": username, "password": password, "provider": "db", "refresh": True}
    return requests.post(f"{stack['addresses']['superset']}/api/v1/security/login", json=body, timeout=60)


def test_the_jwt_carries_the_client_and_a_recorded_session(stack: dict[str, Any], user: str) -> None:
    answer = api_login(stack, user.upper(), PASSWORD).json()
    access, refresh = claims(answer["access_token"]), claims(answer["refresh_token"])
    assert access["client_id"] == refresh["client_id"] == client_ids(stack)["techcorp"]
    token = access["pulse_session"]["token"]
    with database(stack, "pulse_admin") as conn:
        rows = conn.execute(
            "select s.token_hash, s.kind, s.active from core.user_sessions s join core.users u"
            " on (u.client_id, u.id) = (s.client_id, s.user_id) where u.email = %s",
            (user,),
        ).fetchall()
    assert rows == [(hashlib.sha256(token.encode()).hexdigest(), "api", True)]
    renewed = requests.post(
        f"{stack['addresses']['superset']}/api/v1/security/refresh",
        headers={"Authorization": f"Bearer {answer['refresh_token']}"},
        timeout=60,
    )
    assert renewed.status_code == 200
    assert claims(renewed.json()["access_token"])["pulse_session"] == access["pulse_session"]


@pytest.mark.parametrize(
    "change",
    [
        "update core.user_sessions set active = false where user_id in (select id from core.users where email = %s)",
        "update core.users set active = false where email = %s",
        "delete from core.users where email = %s",
    ],
    ids=["session", "user", "deleted user"],
)
def test_deactivation_ends_the_session_at_the_next_request(stack: dict[str, Any], user: str, change: str) -> None:
    cookie = browser(stack, user, PASSWORD)
    jwt = SupersetSession(stack["addresses"]["superset"], user, PASSWORD)
    assert is_in(stack, cookie)
    assert is_in(stack, jwt.session)
    admin(stack, change, user)
    until_out(stack, cookie)
    until_out(stack, jwt.session)
    page = cookie.get(f"{stack['addresses']['superset']}/superset/dashboard/executive-overview/", timeout=60)
    assert "/login/" in page.url
    if "user_sessions" not in change:
        assert api_login(stack, user, PASSWORD).status_code == 401


def test_a_refresh_token_of_an_ended_session_gives_no_access(stack: dict[str, Any], user: str) -> None:
    answer = api_login(stack, user, PASSWORD).json()
    admin(stack, "update core.users set active = false where email = %s", user)
    renewed = requests.post(
        f"{stack['addresses']['superset']}/api/v1/security/refresh",
        headers={"Authorization": f"Bearer {answer['refresh_token']}"},
        timeout=60,
    )
    if renewed.status_code == 200:
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {renewed.json()['access_token']}"
        assert not is_in(stack, session)


def test_logout_ends_copies_of_the_cookie(stack: dict[str, Any], user: str) -> None:
    cookie = browser(stack, user, PASSWORD)
    stolen = requests.Session()
    stolen.cookies.update(cookie.cookies)
    assert is_in(stack, stolen)
    cookie.get(f"{stack['addresses']['superset']}/logout/", timeout=60)
    until_out(stack, stolen)


def test_a_changed_password_takes_effect(stack: dict[str, Any], user: str) -> None:
    admin(stack, "update core.users set password_hash = %s where email = %s", password_hash("another one"), user)
    assert api_login(stack, user, PASSWORD).status_code == 401
    assert api_login(stack, user, "another one").status_code == 200


@pytest.mark.parametrize(
    ("username", "password"),
    [(USER, "wrong"), (USER, ""), (USER, "\0"), ("nobody@techcorp.example", PASSWORD), ("' or 1=1 --", "x"), ("", "x")],
)
def test_wrong_logins_are_refused(stack: dict[str, Any], user: str, username: str, password: str) -> None:
    assert api_login(stack, username, password).status_code in (400, 401)


def test_guessing_is_stopped_and_others_can_still_log_in(stack: dict[str, Any], user: str) -> None:
    """After ten failures, not even the right password is accepted for a while; another account of the client still works."""
    guessed = "guessed@techcorp.example"
    with declared(stack, guessed):
        assert api_login(stack, guessed, PASSWORD).status_code == 200
        for _ in range(10):
            assert api_login(stack, guessed, "wrong").status_code == 401
        assert api_login(stack, guessed, PASSWORD).status_code == 401
        assert api_login(stack, user, PASSWORD).status_code == 200


def test_a_client_user_has_one_role_and_nothing_else(stack: dict[str, Any], user: str) -> None:
    session = SupersetSession(stack["addresses"]["superset"], user, PASSWORD)
    roles = session.call("GET", "api/v1/me/roles/").json()["result"]["roles"]
    assert list(roles) == [f"client_{client_ids(stack)['techcorp']}"]


def test_a_clients_account_never_becomes_staff(stack: dict[str, Any]) -> None:
    """A declared user whose address is the name of one of Superset's own accounts is refused, not merged with it."""
    remove = "delete from core.users where email = 'pulse_service'"
    admin(stack, remove)
    admin(
        stack,
        "insert into core.users (client_id, email, password_hash, role) values (%s, 'pulse_service', %s, 'executive')",
        client_ids(stack)["techcorp"],
        password_hash(PASSWORD),
    )
    try:
        assert api_login(stack, "pulse_service", PASSWORD).status_code == 401
    finally:
        admin(stack, remove)


def test_pages_load_nothing_from_another_host(stack: dict[str, Any]) -> None:
    answer = requests.get(f"{stack['addresses']['superset']}/login/", timeout=60)
    policy = answer.headers["Content-Security-Policy"]
    loads = re.sub(
        r"frame-ancestors[^;]*;?", "", policy
    )  # who may embed the page, not what the page loads: Airflow's UI does
    assert not re.search(r"https?://|\bscarf\b|\*", loads), policy
    assert "frame-ancestors 'self'" in policy
    assert "object-src 'none'" in policy
    assert "nonce-" in policy
    assert "'unsafe-inline'" not in re.search(r"script-src ([^;]*)", policy)[1]  # type: ignore[index]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert "SameSite=Lax" in answer.headers["Set-Cookie"]


def test_an_executive_starts_at_the_dashboard_and_sees_no_list(stack: dict[str, Any], user: str) -> None:
    session = browser(stack, user, PASSWORD)
    base = stack["addresses"]["superset"]
    for path in ("/", "/pulse/start/", "/superset/welcome/", "/dashboard/list/"):
        assert session.get(base + path, timeout=60).url.endswith("/superset/dashboard/executive-overview/")
    for path in ("/users/list/", "/sqllab/", "/explore/", "/tablemodelview/list/", "/api/v1/dashboard/related/owners"):
        assert session.get(base + path, timeout=60).status_code in (403, 404), path


def test_staff_is_not_limited_to_the_dashboard(stack: dict[str, Any]) -> None:
    login = login_of(stack, "superset", "staff")
    session = browser(stack, login["username"], login["password"])
    assert session.get(f"{stack['addresses']['superset']}/dashboard/list/", timeout=60).status_code == 200


def test_the_start_address_leads_staff_to_the_landing_dashboard_too(stack: dict[str, Any]) -> None:
    login = login_of(stack, "superset", "staff")
    start = f"{stack['addresses']['superset']}/pulse/start/"
    session = browser(stack, login["username"], login["password"])
    assert session.get(start, timeout=60).url.endswith("/superset/dashboard/executive-overview/")
    assert "/login/" in requests.get(start, timeout=60).url


def test_benchmark_lines_name_the_year_of_the_viewers_tiers(stack: dict[str, Any]) -> None:
    login = login_of(stack, "superset", "executive", "techcorp")
    session = SupersetSession(stack["addresses"]["superset"], login["username"], login["password"])
    with database(stack, "pulse_staff", replica=True) as conn:
        ((year,),) = conn.execute(
            "select max(tier_year) from report.kpi_current where client_id = %s", [client_ids(stack)["techcorp"]]
        ).fetchall()
    answer = session.call("GET", "api/v1/dashboard/executive-overview/charts")
    layers = [line for chart in answer.json()["result"] for line in chart["form_data"].get("annotation_layers") or []]
    assert year in (2023, 2024)
    assert len(layers) >= 3
    assert all(layer["name"].startswith(f"DORA {year} elite: ") for layer in layers)
