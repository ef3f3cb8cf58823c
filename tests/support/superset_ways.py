"""The ways in which a request can say who sent it: those that Superset reads, and those that it must refuse."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import requests

from stack import environment
from stack.context import existing_stack
from stack.paths import SUPERSET_VENV
from stack.status import report
from tests.support.embedding import guests_of
from tests.support.superset_api import SupersetSession


@dataclass(frozen=True)
class Way:
    """How a request is known. `headers` and `cookies` are made from the token and the person's id in Superset.

    `accepted`: as the person; `guest`: as a guest of an embedded dashboard, who may do much less; neither: refused.
    `guest_of`: a guest token of this client is sent.
    """

    name: str
    accepted: bool
    guest: bool = False
    guest_of: str | None = None
    form_login: bool = False
    header: Callable[[str], str] | None = None
    cookies: Callable[[str], dict[str, str]] = lambda _: {}
    other_headers: tuple[tuple[str, str], ...] = ()


def _bearer(token: str) -> str:
    return f"Bearer {token}"


def _signed_remember_cookie(user_id: str) -> dict[str, str]:
    """What flask-login would write for `remember me`, signed with the installation's own key."""
    stack = existing_stack()
    assert stack is not None
    key = stack.settings.secrets["PULSE_SUPERSET_SECRET_KEY"]
    return {"remember_token": f"{user_id}|{hmac.new(key.encode(), user_id.encode(), hashlib.sha512).hexdigest()}"}


WAYS = [
    Way("token", accepted=True, header=_bearer),
    Way("login form", accepted=True, form_login=True),
    Way("token and login form", accepted=True, form_login=True, header=_bearer),
    *(
        Way(name, accepted=False, header=header)
        for name, header in {
            "token and a comma": lambda token: f"Bearer {token},",
            "token and a word": lambda token: f"Bearer {token}, x",
            "a word and the token": lambda token: f"x, Bearer {token}",
            "token and another scheme": lambda token: f"Bearer {token}, Basic eDp4",
            "another scheme and the token": lambda token: f"Basic eDp4, Bearer {token}",
            "token twice": lambda token: f"Bearer {token}, Bearer {token}",
            "two blanks": lambda token: f"Bearer  {token}",
            "a tab": lambda token: f"Bearer\t{token}",
            "small letters": lambda token: f"bearer {token}",
            "capital letters": lambda token: f"BEARER {token}",
            "no scheme": lambda token: token,
            "quoted": lambda token: f'Bearer "{token}"',
            "a broken token": lambda token: f"Bearer {token[:-2]}",
            "a token without signature": lambda token: f"Bearer {token.rpartition('.')[0]}.",
            "an API key": lambda _: "Bearer sst_0123456789",
            "a word only": lambda _: "Bearer",
        }.items()
    ),
    Way("remember cookie", accepted=False, cookies=_signed_remember_cookie),
    Way("token and remember cookie", accepted=False, header=_bearer, cookies=_signed_remember_cookie),
    Way(
        "token and an unknown remember cookie",
        accepted=False,
        header=_bearer,
        cookies=lambda _: {"remember_token": "x"},
    ),
    Way("login form and an odd header", accepted=False, form_login=True, header=lambda token: f"Bearer {token}, x"),
    Way(
        "login form and a broken guest token",
        accepted=False,
        form_login=True,
        other_headers=(("X-GuestToken", "x.y.z"),),
    ),
    Way("guest token", accepted=False, guest=True, guest_of="techcorp"),
    Way("guest token and login form", accepted=False, guest=True, guest_of="techcorp", form_login=True),
    Way("another client's guest token and login form", accepted=False, guest_of="acme", form_login=True),
]


class Known(SupersetSession):
    """A person's session, or a guest's, that is known in one way. Where the way is refused, every answer must be a 401."""

    def __init__(self, base_url: str, username: str, password: str, way: Way) -> None:
        self.way = way
        self.base_url = base_url.rstrip("/")
        self.token = token_of(self.base_url, username, password)
        self.session = requests.Session()
        # An attacker sends the same cookies again, also those that an answer drops.
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        cookies = dict(form_cookies(self.base_url, username, password)) if way.form_login else {}
        cookies |= way.cookies(subject_of(self.token))
        if way.header is not None:
            self.session.headers["Authorization"] = way.header(self.token)
        self.guests = None if way.guest_of is None else guests_of(_running(), way.guest_of)
        if self.guests is not None:
            self.session.headers["X-GuestToken"] = self.guests.token()
        self.session.headers.update(way.other_headers)
        self.session.headers["Referer"] = self.base_url
        self.session.headers["Cookie"] = _cookie_header(cookies)
        csrf = self.session.get(f"{self.base_url}/api/v1/security/csrf_token/", timeout=60)
        if csrf.ok:
            self.session.headers["X-CSRFToken"] = csrf.json()["result"]
            made = SimpleCookie(csrf.headers.get("Set-Cookie", ""))
            self.session.headers["Cookie"] = _cookie_header(
                cookies | {name: entry.value for name, entry in made.items()}
            )

    def call(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        if self.guests is not None:
            self.session.headers["X-GuestToken"] = self.guests.token()
        answer = super().call(method, path, **kwargs)
        if not self.way.accepted and not self.way.guest:
            assert answer.status_code == 401, f"known by {self.way.name}: {method} {path} answered {answer.status_code}"
        return answer


def _running() -> dict[str, Any]:
    stack = existing_stack()
    assert stack is not None
    return report(stack, [])


def _cookie_header(cookies: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


@cache
def token_of(base_url: str, username: str, password: str) -> str:
    """An access token."""
    return SupersetSession(base_url, username, password).token


@cache
def form_cookies(base_url: str, username: str, password: str) -> tuple[tuple[str, str], ...]:
    """The cookies after the login form."""
    return tuple(form_login(base_url, username, password).cookies.items())


def form_login(base_url: str, username: str, password: str) -> requests.Session:
    """A browser after the login form, whether the login succeeded or not."""
    session = requests.Session()
    page = session.get(f"{base_url}/login/", timeout=60)
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text, re.S)
    assert token
    session.post(
        f"{base_url}/login/",
        data={"username": username, "password": password, "csrf_token": token[1]},
        headers={"Referer": base_url},
        timeout=60,
    )
    return session


def subject_of(token: str) -> str:
    """The person's id in Superset."""
    return str(claims_of(token)["sub"])


def claims_of(token: str) -> dict[str, Any]:
    """What a token says, unchecked."""
    body = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return decoded


def in_running_superset(code: str, **values: Any) -> Any:
    """Run code with the stack's own Superset application as `app`, in a process of its own; it leaves `result`."""
    stack = existing_stack()
    assert stack is not None
    program = (
        "import json, sys\nvalues = json.loads(sys.argv[1])\nfrom superset.app import create_app\n"
        f"app = create_app()\n{code}\nprint('RESULT', json.dumps(result))"
    )
    done = subprocess.run(
        [str(SUPERSET_VENV / "bin" / "python"), "-c", program, json.dumps(values)],
        cwd=Path(stack.state) / "superset",
        capture_output=True,
        text=True,
        timeout=180,
        env=environment.superset(stack.settings),
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
    assert line, done.stderr[-3000:]
    return json.loads(line.removeprefix("RESULT "))


@cache
def routes() -> tuple[tuple[str, str], ...]:
    """Every route of the running Superset, as (method, rule)."""
    found = in_running_superset(
        "result = sorted({(method, rule.rule) for rule in app.url_map.iter_rules()"
        " for method in rule.methods - {'HEAD', 'OPTIONS'}})"
    )
    return tuple((method, rule) for method, rule in found)
