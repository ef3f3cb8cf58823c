"""Waits, retries and refusals of the HTTP client, against answers ordered from the sandbox."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import requests

from pulse.errors import AccessLost, AuthError, ConfigError, PulseError, RateLimited, UpstreamError
from pulse.sources import guard, registry
from pulse.sources.base import Credential, Source
from pulse.sources.http import HttpClient, TokenAuth
from pulse.sources.limits import seconds_to_wait, server_time
from pulse.warehouse.runs import RunStats
from tests.conftest import SandboxServer

SECRET = "ghp_sandbox_acme"


class Upstream:
    """A client of the sandbox's GitHub REST endpoint, and the calls that the sandbox saw."""

    def __init__(self, sandbox: SandboxServer) -> None:
        self.sandbox = sandbox
        self.url = f"{sandbox.url}/github/rate_limit"
        self.stats = RunStats()
        self.http = HttpClient(TokenAuth(SECRET), "acme", "github", self.stats, {})

    def get(self) -> Any:
        return self.http.call("GET", self.url).body

    def fault(self, **fault: Any) -> None:
        self.sandbox.add_fault(path_regex="/github/", **fault)


@pytest.fixture
def upstream(sandbox: SandboxServer) -> Upstream:
    return Upstream(sandbox)


def the_world(sandbox: SandboxServer) -> datetime:
    """The sandbox's clock, which is stopped at noon of its anchor."""
    return datetime.fromisoformat(f"{sandbox.anchor}T12:00:00+00:00")


def seconds_until(error: RateLimited) -> float:
    return (error.resume_at - datetime.now(UTC)).total_seconds()


def test_it_waits_as_long_as_requested_and_no_longer(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plus at most a fifth of that, so that tasks with the same reset time do not all call at once."""
    upstream.fault(status=429, headers={"Retry-After": "2"})
    waited: list[float] = []
    monkeypatch.setattr("pulse.sources.http.time.sleep", waited.append)
    assert "resources" in upstream.get()
    assert [2 <= seconds <= 2.4 for seconds in waited] == [True]
    assert upstream.stats.api_calls == 2


@pytest.mark.parametrize("style", ["HTTP date", "epoch", "ISO", "secondary"])
def test_a_long_wait_is_left_to_the_scheduler(upstream: Upstream, style: str) -> None:
    now = datetime.now(UTC)
    later = now + timedelta(minutes=30)
    headers, expected = {
        "HTTP date": ({"Retry-After": format_datetime(later, usegmt=True)}, 1800),
        "epoch": ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(later.timestamp()))}, 1800),
        "ISO": ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": later.isoformat(timespec="minutes")}, 1800),
        "secondary": ({"Retry-After": "61"}, 61),
    }[style]
    upstream.fault(
        status=403 if style == "epoch" else 429, headers={"Date": format_datetime(now, usegmt=True), **headers}
    )
    with pytest.raises(RateLimited) as caught:
        upstream.get()
    assert abs(seconds_until(caught.value) - expected) < 65
    assert "acme" in str(caught.value)
    assert upstream.stats.api_calls == 1


@pytest.mark.parametrize(
    "date",
    ["Fri, 31 Dec 9999 23:59:59 GMT", "Sat, 01 Jan 2095 00:00:00 GMT", "now", "", "Mon, 00 Foo 1 0:0:0", "1767225600"],
)
def test_a_clock_that_is_far_ahead_is_not_believed(date: str) -> None:
    """Else its time would become a watermark, behind which nothing is read."""
    response = requests.Response()
    response.headers["Date"] = date
    assert abs(server_time(response) - datetime.now(UTC)) < timedelta(minutes=1)
    skewed = datetime.now(UTC) + timedelta(hours=9)
    response.headers["Date"] = format_datetime(skewed, usegmt=True)
    assert abs(server_time(response) - skewed) < timedelta(minutes=1)


def test_without_a_hint_the_wait_is_a_minute_that_doubles() -> None:
    response = requests.Response()
    response.status_code = 403
    assert [seconds_to_wait(response, attempt) for attempt in (1, 2, 3)] == [60, 120, 240]
    response.headers["Retry-After"] = "soon"
    assert seconds_to_wait(response, 1) == 60


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("-5", 60),
        ("NaN", 60),
        ("inf", 60),
        ("1e999", 60),
        ("", 60),
        ("\u0665", 60),
        ("9" * 300, 86_400),
        ("0", 0),
        ("1.5", 1.5),
        ("Sun, 01 Jan 2023 00:00:30 GMT", 30),
        ("Sunday, 01-Jan-23 00:00:30 GMT", 30),
        ("Sun Jan  1 00:00:30 2023", 30),
        ("2023-01-01T00:00:30Z", 30),
        ("2023-01-01T00:00:30", 30),
        ("1672531230", 30),  # a moment instead of a span
        ("1672531230000", 30),
        ("Sun, 01 Jan 9999 00:00:30 GMT", 86_400),
        ("Sun, 01 Jan 2012 00:00:30 GMT", 0),
    ],
)
@pytest.mark.parametrize("header", ["Retry-After", "x-ratelimit-reset"])
def test_absurd_times_are_capped(header: str, value: str, seconds: float) -> None:
    response = requests.Response()
    response.status_code = 403
    response.headers.update({"Date": "Sun, 01 Jan 2023 00:00:00 GMT", "x-ratelimit-remaining": "0", header: value})
    extra = 1 if header == "x-ratelimit-reset" and seconds != 60 else 0
    assert seconds_to_wait(response, 1) == min(seconds + extra, 86_400)


def test_an_empty_budget_is_not_asked_again(upstream: Upstream) -> None:
    reset = int(the_world(upstream.sandbox).timestamp()) + 1200
    upstream.fault(
        status=200,
        body={"resources": {}},
        headers={
            "Date": format_datetime(the_world(upstream.sandbox), usegmt=True),
            "x-ratelimit-remaining": "0",
            "x-ratelimit-reset": str(reset),
        },
    )
    upstream.get()
    before = upstream.sandbox.calls()
    with pytest.raises(RateLimited) as caught:
        upstream.get()
    assert 1190 < seconds_until(caught.value) < 1210
    assert upstream.sandbox.calls() == before


def test_an_unknown_refusal_shows_the_answer_but_no_secret(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(guard.ALLOW_VARIABLE)
    monkeypatch.setattr(guard, "is_public", lambda address: True)
    upstream.fault(status=422, body={"message": f"Validation failed for {SECRET}"})
    with pytest.raises(UpstreamError) as caught:
        upstream.get()
    assert caught.value.status == 422
    assert "Validation failed" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert upstream.stats.api_calls == 1


@pytest.mark.parametrize("status", [400, 403, 422])
def test_no_part_of_a_private_hosts_answer_is_shown(upstream: Upstream, status: int) -> None:
    upstream.fault(status=status, body={"message": "the wages of June"})
    with pytest.raises(PulseError, match="not shown because the host is private") as caught:
        upstream.get()
    assert "wages" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "error", "way_out"),
    [
        (401, AuthError, "Renew the token in the Airflow Connection"),
        (403, AuthError, "Give the token read access"),
        (404, AccessLost, "Check the name and the token's access"),
        (410, AccessLost, "Check the name and the token's access"),
    ],
)
def test_refusals_are_distinguished(upstream: Upstream, status: int, error: type[PulseError], way_out: str) -> None:
    upstream.fault(status=status)
    with pytest.raises(error, match=way_out):
        upstream.get()


def test_a_moved_address_is_named_without_its_query(upstream: Upstream) -> None:
    upstream.fault(status=301, headers={"Location": "https://user:pw@new.example/graphql?token=abc"})
    with pytest.raises(ConfigError, match=r"https://new\.example/graphql") as caught:
        upstream.http.call("POST", f"{upstream.sandbox.url}/github/graphql", json={})
    assert "pw" not in str(caught.value)
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize("moves", [False, True])
@pytest.mark.parametrize(
    "target", ["/github/rate_limit", "http://127.0.0.1:1/github/rate_limit", "https://new.example/"]
)
def test_a_redirect_is_followed_only_within_the_server_and_where_it_is_asked_for(
    upstream: Upstream, target: str, moves: bool
) -> None:
    http = HttpClient(TokenAuth(SECRET), "acme", "github", upstream.stats, {}, moves=moves)
    upstream.fault(status=301, headers={"Location": target})
    if moves and target.startswith("/"):
        assert "resources" in http.call("GET", upstream.url).body
        return
    with pytest.raises(ConfigError, match="this is not followed, because the token would travel along"):
        http.call("GET", upstream.url)


def test_redirects_in_a_circle_end(upstream: Upstream) -> None:
    http = HttpClient(TokenAuth(SECRET), "acme", "github", upstream.stats, {}, moves=True)
    upstream.fault(status=302, headers={"Location": "/github/rate_limit"}, count=50)
    with pytest.raises(ConfigError, match="redirects to"):
        http.call("GET", upstream.url)
    assert upstream.stats.api_calls == 3


class RenewedOnce(TokenAuth):
    """A token that has expired, and the one that replaces it."""

    def __init__(self) -> None:
        super().__init__("expired")
        self.renewals = 0

    def renew(self) -> bool:
        super().__init__(SECRET)
        self.renewals += 1
        return self.renewals == 1


def test_an_expired_token_is_renewed_and_a_refused_one_is_not_tried_forever(upstream: Upstream) -> None:
    auth = RenewedOnce()
    http = HttpClient(auth, "acme", "github", upstream.stats, {})
    assert "resources" in http.call("GET", upstream.url).body
    assert auth.renewals == 1
    upstream.fault(status=401, count=9)
    with pytest.raises(AuthError):
        http.call("GET", upstream.url)
    assert auth.renewals == 2


def test_nothing_that_is_printed_contains_the_token(upstream: Upstream) -> None:
    credential = Credential("pulse@acme.example", SECRET)
    auth = TokenAuth(SECRET, "pulse@acme.example")
    for thing in (credential, auth, upstream.http, upstream.http.session, [credential], {"c": credential}):
        assert SECRET not in repr(thing)
        assert SECRET not in str(thing)


def test_every_folder_is_a_source() -> None:
    assert set(registry.integration_types()) >= {"github", "jira"}
    for name in registry.integration_types():
        assert issubclass(registry.source_for(name), Source)
    with pytest.raises(KeyError, match=r"gitlab.*github"):
        registry.source_for("gitlab")


def test_an_answer_that_is_not_strict_json_is_refused(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """The json module reads NaN, but PostgreSQL refuses it."""
    monkeypatch.setattr("pulse.sources.http.TRIES", 2)
    upstream.fault(count=10, status=200, body='{"n": NaN}')
    with pytest.raises(UpstreamError, match="not JSON"):
        upstream.get()
