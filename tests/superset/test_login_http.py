"""Logins and sessions of clients' users against the running Superset: form and API."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from tests.support.stack import (
    client_ids,
    database,
    login_of,
    password_hash,
    superset_service,
    supervisorctl,
    wait_replica,
)
from tests.support.superset_api import SupersetSession
from tests.support.superset_ways import claims_of, form_login, in_running_superset

USER = "lifecycle@techcorp.example"
PASSWORD = "correct horse battery"
WAIT_SECONDS = 10


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
    """A cookie session after the login form."""
    return form_login(stack["addresses"]["superset"], username, password)


def is_in(stack: dict[str, Any], session: requests.Session) -> bool:
    answer = session.get(f"{stack['addresses']['superset']}/api/v1/me/", timeout=60)
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


def until_out(stack: dict[str, Any], session: requests.Session) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while is_in(stack, session):
        assert time.monotonic() < deadline, f"still in after {WAIT_SECONDS} s"
        time.sleep(0.1)


def api_login(stack: dict[str, Any], username: str, password: str) -> requests.Response:
    body = {"username": username, "password": password, "provider": "db", "refresh": True}
    return requests.post(f"{stack['addresses']['superset']}/api/v1/security/login", json=body, timeout=60)


def test_the_jwt_carries_the_client_and_a_recorded_session(stack: dict[str, Any], user: str) -> None:
    answer = api_login(stack, user.upper(), PASSWORD).json()
    access, refresh = claims_of(answer["access_token"]), claims_of(answer["refresh_token"])
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
    assert claims_of(renewed.json()["access_token"])["pulse_session"] == access["pulse_session"]


@pytest.mark.parametrize(
    "change",
    [
        "update core.user_sessions set active = false where user_id in (select id from core.users where email = %s)",
        "update core.users set active = false where email = %s",
        "delete from core.users where email = %s",
        "update core.users set password_hash = password_hash || '0' where email = %s",
        "update core.users set role = 'client_admin' where email = %s",
    ],
    ids=["session", "user", "deleted user", "password", "role"],
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
    if "user_sessions" not in change and "role" not in change:
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


def test_there_is_one_provider(stack: dict[str, Any], user: str) -> None:
    body = {"username": user, "password": PASSWORD, "provider": "ldap"}
    answer = requests.post(f"{stack['addresses']['superset']}/api/v1/security/login", json=body, timeout=60)
    assert answer.status_code == 400, answer.text


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


def test_logout_with_a_token_ends_it_and_its_refresh(stack: dict[str, Any], user: str) -> None:
    answer = api_login(stack, user, PASSWORD).json()
    base = stack["addresses"]["superset"]
    token = {"Authorization": f"Bearer {answer['access_token']}"}
    other = SupersetSession(base, user, PASSWORD)
    assert requests.get(f"{base}/api/v1/me/", headers=token, timeout=60).status_code == 200
    requests.get(f"{base}/logout/", headers=token, allow_redirects=False, timeout=60)
    assert requests.get(f"{base}/api/v1/me/", headers=token, timeout=60).status_code == 401
    refresh = {"Authorization": f"Bearer {answer['refresh_token']}"}
    assert requests.post(f"{base}/api/v1/security/refresh", headers=refresh, timeout=60).status_code == 401
    assert is_in(stack, other.session), "another login of the same person goes on"


def test_staff_log_out_for_good_too(stack: dict[str, Any]) -> None:
    login = login_of(stack, "superset", "staff")
    base = stack["addresses"]["superset"]
    answer = api_login(stack, login["username"], login["password"]).json()
    token = {"Authorization": f"Bearer {answer['access_token']}"}
    assert requests.get(f"{base}/api/v1/me/", headers=token, timeout=60).status_code == 200
    requests.get(f"{base}/logout/", headers=token, allow_redirects=False, timeout=60)
    assert requests.get(f"{base}/api/v1/me/", headers=token, timeout=60).status_code == 401
    refresh = {"Authorization": f"Bearer {answer['refresh_token']}"}
    assert requests.post(f"{base}/api/v1/security/refresh", headers=refresh, timeout=60).status_code == 401
    cookie = browser(stack, login["username"], login["password"])
    stolen = requests.Session()
    stolen.cookies.update(cookie.cookies)
    cookie.get(f"{base}/logout/", timeout=60)
    assert not is_in(stack, stolen)


@pytest.mark.stops_stack
def test_a_logout_while_the_primary_is_away_is_written_when_it_is_back(stack: dict[str, Any], user: str) -> None:
    answer = api_login(stack, user, PASSWORD).json()
    digest = hashlib.sha256(claims_of(answer["access_token"])["pulse_session"]["token"].encode()).hexdigest()
    token = {"Authorization": f"Bearer {answer['access_token']}"}
    base = stack["addresses"]["superset"]
    supervisorctl("stop", "primary")
    try:
        requests.get(f"{base}/logout/", headers=token, allow_redirects=False, timeout=60)
        assert requests.get(f"{base}/api/v1/me/", headers=token, timeout=60).status_code == 401
    finally:
        supervisorctl("start", "primary")
    deadline = time.monotonic() + 60
    while True:
        requests.get(f"{base}/api/v1/me/", headers=token, timeout=60)
        with database(stack, "pulse_admin") as conn:
            found = conn.execute("select active from core.user_sessions where token_hash = %s", (digest,)).fetchone()
        if found == (False,):
            break
        assert time.monotonic() < deadline, f"the row says {found}"
        time.sleep(0.5)


def test_guessing_slows_down_and_nobody_else_waits(stack: dict[str, Any], user: str) -> None:
    """Whatever the name's form; the right password is not looked at while the account has to wait, and works after that."""
    guessed = "guessed@techcorp.example"
    forms = [guessed, guessed.upper(), f" {guessed} ", "Guessed@TechCorp.example"]
    with declared(stack, guessed):
        assert [api_login(stack, form, "wrong").status_code for form in forms] == [401] * 4
        waits, deadline = [0], time.monotonic() + 60
        while waits[-1] < 4:  # twice as long each time
            answer = api_login(stack, forms[len(waits) % 4], "wrong")
            assert answer.status_code in (401, 429)
            waits.append(int(answer.headers.get("Retry-After", 0)))
            assert time.monotonic() < deadline, waits
            time.sleep(min(waits[-1], 2))
        assert max(waits) <= 60
        assert "Wait" in answer.json()["message"]
        assert api_login(stack, guessed, PASSWORD).status_code == 429
        assert api_login(stack, user, PASSWORD).status_code == 200
        deadline = time.monotonic() + 70
        while (answer := api_login(stack, guessed, PASSWORD)).status_code == 429:
            assert time.monotonic() < deadline
            time.sleep(int(answer.headers["Retry-After"]))
            # The stack's sync_clients may have come by meanwhile, and the Variable does not name this person.
            admin(stack, "update core.users set active = true where email = %s", guessed)
        assert answer.status_code == 200
        # The address is known now: its count began afresh.
        assert api_login(stack, guessed, "wrong").status_code == 401
        assert api_login(stack, guessed, PASSWORD).status_code == 200


def test_a_hundred_guesses_at_once_are_a_hundred_guesses(stack: dict[str, Any]) -> None:
    guessed = "parallel@techcorp.example"
    with declared(stack, guessed), ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: api_login(stack, guessed, "wrong").status_code, range(40)))
    assert answers.count(401) <= 8, answers
    assert set(answers) <= {401, 429, 503}


def test_guesses_by_name_and_address_count_together_for_staff(stack: dict[str, Any]) -> None:
    """From an address of its own: the test's own logins of staff must not wait for it."""
    code = (
        "from pulse_superset import throttle\n"
        "client = app.test_client()\nresult = []\n"
        "for number in range(12):\n"
        "    name = ['staff', 'staff@pulse.invalid'][number % 2]\n"
        "    answer = client.post('/api/v1/security/login', environ_base={'REMOTE_ADDR': '192.0.2.77'},"
        " json={'username': name, 'password': 'wrong', 'provider': 'db'})\n"
        "    result.append(answer.status_code)\n"
    )
    answers = in_running_superset(code)
    assert answers.count(401) <= 7, answers
    login = login_of(stack, "superset", "staff")
    assert api_login(stack, login["username"], login["password"]).status_code == 200


def test_the_service_account_never_waits(stack: dict[str, Any]) -> None:
    for _ in range(12):
        assert api_login(stack, "pulse_service", "wrong").status_code == 401
    superset_service(stack).get("me/")


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
