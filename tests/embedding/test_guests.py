"""Guests of embedded dashboards against Superset's pages: every token that is not exactly ours, of this moment, is nobody's."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
import requests

from pulse import embedding
from stack.postgres.cluster import Cluster
from tests.people.conftest import PASSWORD, Browser, World, making_world
from tests.support.servers import free_port

ORIGINS = {
    "techcorp": ["https://intranet.techcorp.example", "https://board.techcorp.example:8443"],
    "acme": ["https://acme.example"],
}
DASHBOARD = "executive-overview"
SECRET_KEY = "the secret key of the tests, long enough"
SECRET = hmac.new(SECRET_KEY.encode(), b"guest token", hashlib.sha256).hexdigest()


@dataclass
class Embedding:
    """Superset's pages, and two clients that embed one dashboard each."""

    world: World
    keys: dict[str, str]
    ids: dict[str, int]

    def token(self, client: str = "techcorp") -> str:
        return str(self.ask(self.keys[client]).json()["token"])

    def ask(self, key: str | None, **body: Any) -> requests.Response:
        headers = {} if key is None else {embedding.KEY_HEADER: key}
        return requests.post(
            self.world.url + embedding.TOKEN_PATH, json=body or {"dashboard": DASHBOARD}, headers=headers, timeout=60
        )

    def get(self, path: str = "/api/v1/me/roles/", **headers: str) -> requests.Response:
        return requests.get(self.world.url + path, headers=headers, allow_redirects=False, timeout=60)

    def as_guest(self, token: str, path: str = "/api/v1/me/roles/", **headers: str) -> requests.Response:
        return self.get(path, **{"X-GuestToken": token, **headers})


@pytest.fixture(scope="module")
def site(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedding]:
    with making_world(cluster, tmp_path_factory.mktemp("embedding"), free_port()) as world:
        keys, ids = {}, {}
        for client, client_id in world.clients.items():
            world.db.set_setting(client_id, "embed.origins", ORIGINS[client])
            world.db.set_setting(client_id, "embed.dashboards", [DASHBOARD])
            ids[client], keys[client] = embedding.make(world.admin, client, "intranet")
        world.db.wait_replica()
        yield Embedding(world, keys, ids)


def claims(site: Embedding, **changes: Any) -> dict[str, Any]:
    """Those of a good token, with changes; None takes one away."""
    now = int(time.time())
    good = {
        **{"type": "guest", "aud": "pulse embedding", "iat": now, "exp": now + 300},
        **{"client_id": site.world.clients["techcorp"], "key_id": site.ids["techcorp"], "dashboard": DASHBOARD},
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def signed(content: dict[str, Any], secret: str = SECRET, algorithm: str = "HS256") -> str:
    return jwt.encode(content, secret, algorithm=algorithm)


def unsigned(content: dict[str, Any], head: dict[str, Any], signature: bytes = b"") -> str:
    parts = (json.dumps(head).encode(), json.dumps(content).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


# ------------------------------------------------------------------------------------------------------------ the token


def test_a_key_gives_a_token_for_five_minutes(site: Embedding) -> None:
    answer = site.ask(site.keys["techcorp"])
    assert answer.status_code == 200, answer.text
    assert answer.json()["expires_in"] == 300
    content = jwt.decode(answer.json()["token"], SECRET, algorithms=["HS256"], audience="pulse embedding")
    assert content | {"iat": 0, "exp": 0} == claims(site, iat=0, exp=0)
    assert content["exp"] - content["iat"] == 300
    assert site.as_guest(answer.json()["token"]).status_code != 401
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    "key",
    [None, "", "pulse_embed_", "x" * 5000, "' or true --", "Bearer x"],
    ids=["none", "empty", "only its beginning", "long", "sql", "a scheme"],
)
def test_without_a_key_there_is_no_token(site: Embedding, key: str | None) -> None:
    answer = site.ask(key)
    assert (answer.status_code, "token" in answer.json()) == (401, False)
    assert "techcorp" not in answer.text


def test_a_key_counts_in_its_header_only(site: Embedding) -> None:
    key, url = site.keys["techcorp"], site.world.url + embedding.TOKEN_PATH
    for kwargs in (
        {"headers": {"Authorization": f"Bearer {key}"}},
        {"params": {embedding.KEY_HEADER: key, "key": key}},
        {"cookies": {embedding.KEY_HEADER: key}},
    ):
        assert requests.post(url, json={"dashboard": DASHBOARD}, timeout=60, **kwargs).status_code == 401  # type: ignore[arg-type]
    assert "expires_in" not in requests.get(url, headers={embedding.KEY_HEADER: key}, timeout=60).text


@pytest.mark.parametrize(
    "body",
    [
        {"dashboard": "evidence"},
        {"dashboard": "nothing"},
        {"dashboard": [DASHBOARD]},
        {"dashboard": None},
        {"dashboard": DASHBOARD, "rls": []},
        {"dashboard": DASHBOARD, "client_id": 2},
        {"user": {"username": "staff"}, "resources": [], "rls": [{"clause": "1=1"}]},
    ],
)
def test_a_key_gives_nothing_else(site: Embedding, body: dict[str, Any]) -> None:
    answer = site.ask(site.keys["techcorp"], **body)
    assert (answer.status_code, "token" in answer.json()) == (400, False)


def test_each_token_is_noted(site: Embedding) -> None:
    world = site.world
    site.token("acme")
    with world.db.cluster.primary.connect(database=world.db.name) as superuser:
        rows = superuser.execute(
            "select who, what, address from audit.log where kind = 'guest token made' and client_id = %s",
            [world.clients["acme"]],
        ).fetchall()
    assert (f"embedding key {site.ids['acme']} intranet", DASHBOARD, "127.0.0.1") in rows


# ------------------------------------------------------------------------------------------------------- what is no token

FORGED: dict[str, Callable[[Embedding], str]] = {
    "another secret": lambda s: signed(claims(s), "another secret that is long enough for it"),
    "the secret of sessions": lambda s: signed(claims(s), SECRET_KEY),
    "another algorithm": lambda s: signed(claims(s), algorithm="HS512"),
    "no algorithm": lambda s: unsigned(claims(s), {"alg": "none", "typ": "JWT"}),
    "no algorithm, in capitals": lambda s: unsigned(claims(s), {"alg": "NONE"}, b"x"),
    "no signature": lambda s: signed(claims(s)).rpartition(".")[0] + ".",
    "no signature at all": lambda s: signed(claims(s)).rpartition(".")[0],
    "a key in the head": lambda s: unsigned(claims(s), {"alg": "HS256", "jwk": {"kty": "oct", "k": "eA"}}, b"x"),
    "no audience": lambda s: signed(claims(s, aud=None)),
    "another audience": lambda s: signed(claims(s, aud="http://127.0.0.1")),
    "a list of audiences": lambda s: signed(claims(s, aud=["pulse embedding", "x"])),
    "another type": lambda s: signed(claims(s, type="access")),
    "no type": lambda s: signed(claims(s, type=None)),
    "expired": lambda s: signed(claims(s, iat=int(time.time()) - 302, exp=int(time.time()) - 2)),
    "no end": lambda s: signed(claims(s, exp=None)),
    "a late end": lambda s: signed(claims(s, exp=int(time.time()) + 86400)),
    "an early beginning": lambda s: signed(claims(s, iat=int(time.time()) - 4000)),
    "a beginning to come": lambda s: signed(claims(s, iat=int(time.time()) + 3000, exp=int(time.time()) + 3300)),
    "no client": lambda s: signed(claims(s, client_id=None)),
    "another client": lambda s: signed(claims(s, client_id=s.world.clients["acme"])),
    "two clients": lambda s: signed(claims(s, client_id=[*s.world.clients.values()])),
    "a client as text": lambda s: signed(claims(s, client_id=str(s.world.clients["techcorp"]))),
    "true for a client": lambda s: signed(claims(s, client_id=True)),
    "staff's client": lambda s: signed(claims(s, client_id=0)),
    "a client beyond all numbers": lambda s: signed(claims(s, client_id=10**12)),
    "no key": lambda s: signed(claims(s, key_id=None)),
    "another client's key": lambda s: signed(claims(s, key_id=s.ids["acme"])),
    "another dashboard": lambda s: signed(claims(s, dashboard="evidence")),
    "a dashboard by number": lambda s: signed(claims(s, dashboard=1)),
    "rules of its own": lambda s: signed(claims(s, rls_rules=[{"clause": "1 = 1"}])),
    "rules by the other name": lambda s: signed(claims(s, rls=[])),
    "resources of its own": lambda s: signed(claims(s, resources=[{"type": "dashboard", "id": "2"}])),
    "a user of its own": lambda s: signed(claims(s, user={"username": "staff"})),
    "a subject": lambda s: signed(claims(s, sub="1")),
    "Superset's own token": lambda s: signed(
        {
            **{"type": "guest", "aud": "pulse embedding", "iat": time.time(), "exp": time.time() + 300},
            **{"user": {"username": "staff"}, "resources": [{"type": "dashboard", "id": "1"}], "rls_rules": []},
        }
    ),
    "two tokens": lambda s: f"{signed(claims(s))}, {signed(claims(s))}",
    "a scheme": lambda s: f"Bearer {signed(claims(s))}",
    "a key": lambda s: s.keys["techcorp"],
    "nothing": lambda _: "",
    "dots": lambda _: "..",
}


@pytest.mark.parametrize("what", FORGED)
def test_what_is_not_our_token_is_nobody(site: Embedding, what: str) -> None:
    token = FORGED[what](site)
    assert token != signed(claims(site))
    answer = site.as_guest(token)
    assert answer.status_code == 401, f"{answer.status_code} {answer.text}"
    assert site.as_guest(token, f"/api/v1/dashboard/{DASHBOARD}").status_code == 401


def test_the_good_token_differs_from_these_by_one_thing_only(site: Embedding) -> None:
    assert site.as_guest(signed(claims(site))).status_code != 401


@pytest.fixture(scope="module")
def person(site: Embedding) -> str:
    return site.world.add("techcorp", "ceo")


@pytest.fixture(scope="module")
def access_token(site: Embedding, person: str) -> str:
    body = {"username": person, "password": PASSWORD, "provider": "db"}
    answer = requests.post(f"{site.world.url}/api/v1/security/login", json=body, timeout=60)
    return str(answer.json()["access_token"])


def test_a_token_of_a_session_and_a_guest_token_are_two_things(site: Embedding, access_token: str) -> None:
    guest = site.token()
    assert site.get(Authorization=f"Bearer {access_token}").status_code != 401
    assert site.as_guest(access_token).status_code == 401
    assert site.get(Authorization=f"Bearer {guest}").status_code == 401
    for first, second in ((guest, access_token), (access_token, guest), (guest, guest)):
        assert site.as_guest(first, Authorization=f"Bearer {second}").status_code == 401


def test_a_token_counts_in_its_header_only(site: Embedding) -> None:
    token, url = site.token(), site.world.url
    for path in ("/api/v1/me/roles/", f"/api/v1/dashboard/{DASHBOARD}"):
        for name in ("guest_token", "X-GuestToken", "guestToken", "token"):
            assert requests.get(url + path, params={name: token}, timeout=60).status_code == 401
            assert requests.get(url + path, cookies={name: token}, timeout=60).status_code == 401
            assert requests.get(url + path, data={name: token}, timeout=60).status_code == 401
    answer = requests.post(f"{url}/api/v1/chart/data", data={"guest_token": token}, timeout=60)
    assert answer.status_code in (400, 401)


def test_with_a_cookie_a_guest_is_the_guest_or_nobody(site: Embedding, person: str) -> None:
    """The own client's person looks at the own site: the guest counts, who may do less. Anybody else's cookie: refused."""
    world, header = site.world, {"X-GuestToken": site.token()}
    stranger = world.add("acme", "stranger")
    for name, own in ((person, True), (stranger, False), ("staff", False)):
        browser = Browser(world.url)
        browser.sign_in(name)
        known = browser.get(f"{world.url}/pulse/brief/", headers=header, allow_redirects=False, timeout=60)
        assert known.status_code == (403 if own else 401), name
        page = browser.get(f"{world.url}/pulse/brief/", allow_redirects=False, timeout=60)
        assert (page.status_code == 302) == (not own), "the own person is still signed in"


def test_a_revoked_key_ends_its_tokens(site: Embedding) -> None:
    key_id, key = embedding.make(site.world.admin, "techcorp", "old")
    site.world.db.wait_replica()
    token = site.ask(key).json()["token"]
    assert site.as_guest(token).status_code != 401
    embedding.revoke(site.world.admin, "techcorp", key_id)
    site.world.db.wait_replica()
    assert site.as_guest(token).status_code == 401
    assert site.ask(key).status_code == 401
    assert site.ask(site.keys["techcorp"]).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        "update core.clients set active = false where id = {client}",
        "delete from core.system_settings where client_id = {client} and setting_key = 'embed.origins'",
        "delete from core.system_settings where client_id = {client} and setting_key = 'embed.dashboards'",
        "update core.system_settings set setting_value = '[\"evidence\"]'"
        " where client_id = {client} and setting_key = 'embed.dashboards'",
    ],
)
def test_what_is_embedded_no_more_ends_its_tokens(site: Embedding, change: str) -> None:
    db, client = site.world.db, site.world.clients["acme"]
    token, page = site.token("acme"), site.ask(site.keys["acme"]).json()["id"]
    with db.cluster.primary.connect(database=db.name) as superuser, superuser.transaction():
        before = superuser.execute("select active from core.clients where id = %s", [client]).fetchall()
        superuser.execute(change.format(client=client).encode())
    db.wait_replica()
    try:
        assert site.as_guest(token).status_code == 401
        assert site.ask(site.keys["acme"]).status_code in (400, 401)
        assert site.get(f"/embedded/{page}").status_code == 404
        assert site.as_guest(site.token()).status_code != 401, "the other client's guests stay"
    finally:
        with db.cluster.primary.connect(database=db.name) as superuser:
            superuser.execute("update core.clients set active = %s where id = %s", [before[0][0], client])
        db.set_setting(client, "embed.origins", ORIGINS["acme"])
        db.set_setting(client, "embed.dashboards", [DASHBOARD])
        db.wait_replica()


def test_the_walls_of_superset_make_no_tokens(site: Embedding) -> None:
    """Its own route would take any user, resources and row rule from its caller: nobody gets a token there, staff included."""
    body = {"username": "staff", "password": PASSWORD, "provider": "db"}
    login = requests.post(f"{site.world.url}/api/v1/security/login", json=body, timeout=60)
    wanted = {"user": {"username": "x"}, "resources": [{"type": "dashboard", "id": "1"}], "rls": []}
    for headers in ({}, {"X-GuestToken": site.token()}, {"Authorization": f"Bearer {login.json()['access_token']}"}):
        answer = requests.post(
            f"{site.world.url}/api/v1/security/guest_token/", json=wanted, headers=headers, timeout=60
        )
        assert answer.status_code >= 400
        assert "token" not in answer.json()


# -------------------------------------------------------------------------------------------------------------- the page


def test_the_page_may_be_framed_by_its_clients_sites_only(site: Embedding) -> None:
    seen = {}
    for client, key in site.keys.items():
        page = site.get(f"/embedded/{site.ask(key).json()['id']}", Referer="https://evil.example/")
        assert page.status_code == 200
        policy = dict(part.strip().partition(" ")[::2] for part in page.headers["Content-Security-Policy"].split(";"))
        assert policy["frame-ancestors"].split() == ORIGINS[client]
        assert "'nonce-" in policy["script-src"]
        assert "X-Frame-Options" not in page.headers
        assert page.headers["Cache-Control"] == "private, no-store"
        assert '<base target="_blank">' in page.text
        seen[client] = page.text
    assert "acme" not in seen["techcorp"].lower()
    assert "Techcorp" in seen["techcorp"], "its own brand"


def test_no_other_page_may_be_framed(site: Embedding) -> None:
    for path in ("/login/", "/pulse/forgot/", "/pulse/icon.svg", "/health", "/pulse/manifest.webmanifest"):
        page = site.get(path)
        assert page.status_code == 200
        assert "frame-ancestors 'self'" in page.headers["Content-Security-Policy"]
        assert page.headers["X-Frame-Options"] == "SAMEORIGIN"


def test_addresses_of_pages_cannot_be_guessed(site: Embedding) -> None:
    good = site.ask(site.keys["techcorp"]).json()["id"]
    assert good != site.ask(site.keys["acme"]).json()["id"]
    for wrong in (good[:-1] + ("0" if good[-1] != "0" else "1"), good.upper(), DASHBOARD, "1", "0" * 36, good + "0"):
        answer = site.get(f"/embedded/{wrong}")
        assert answer.status_code == 404
        assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
    assert requests.post(f"{site.world.url}/embedded/{good}", timeout=60).status_code >= 400


def test_the_page_knows_nobody_and_signs_nobody_out(site: Embedding, person: str) -> None:
    browser = Browser(site.world.url)
    assert browser.sign_in(person)
    page = browser.page(f"/embedded/{site.ask(site.keys['acme']).json()['id']}")
    assert page.status_code == 200
    assert person not in page.text
    assert browser.is_in()
