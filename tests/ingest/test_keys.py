"""Keys: no route without one, none of another client, none that is revoked."""

from __future__ import annotations

import pytest

from pulse.ingest import keys
from pulse.ingest.keys import KeyProblem
from tests.ingest.conftest import DEPLOYMENT, Push


def test_every_route_asks_for_a_key(push: Push) -> None:
    """Over the app's own list of routes, so that a new one is tried, too."""
    document = push.http.get("/v1/openapi.json")
    assert document.status_code == 200
    tried = 0
    for path, methods in document.json()["paths"].items():
        address = path.format(client="acme", kind="github", source="github", key_id=1)
        for method in methods:
            for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Basic cHVsc2U6cHVsc2U="}):
                answer = push.http.request(method.upper(), address, headers=headers, json={"source": "ci"})
                assert answer.status_code == 401, (method, path, answer.text)
                tried += 1
    assert tried == 3 * 7
    assert [push.http.get(path).status_code for path in ("/docs", "/redoc", "/openapi.json")] == [404] * 3


@pytest.mark.parametrize("wrong", ["pulse_wrong", "", "x" * 9000, "ünïcode", "' or true --", "%00"])
def test_a_wrong_token_is_refused(push: Push, wrong: str) -> None:
    push.key("acme")
    headers = {"Authorization": f"Bearer {wrong}".encode()}
    answer = push.http.post("/v1/acme/deployments", json=DEPLOYMENT, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert push.records() == {}


def test_a_revoked_token_is_refused_from_the_next_request_on(push: Push) -> None:
    key, other = push.key("acme"), push.key("acme")
    assert push.post(key.secret, DEPLOYMENT).status_code == 202
    push.revoke("acme", key.id)
    assert push.post(key.secret, DEPLOYMENT | {"id": "2"}).status_code == 401
    assert push.post(other.secret, DEPLOYMENT | {"id": "3"}).status_code == 202
    assert set(push.records()) == {"deployments:41", "deployments:3"}


def test_a_token_of_another_client_learns_nothing(push: Push) -> None:
    token = push.key("acme").secret
    there, nowhere = (push.post(token, DEPLOYMENT, f"/v1/{slug}/deployments") for slug in ("globex", "nobody"))
    assert there.status_code == nowhere.status_code == 403
    assert there.json() == nowhere.json()
    assert push.records() == push.records("globex") == {}


def test_a_token_writes_to_its_own_source_only(push: Push) -> None:
    assert push.post(push.key("acme").secret, DEPLOYMENT).status_code == 202
    assert push.post(push.key("globex").secret, DEPLOYMENT, "/v1/globex/deployments").status_code == 202
    assert set(push.records()) == set(push.records("globex")) == {"deployments:41"}


def test_the_secret_of_a_webhook_is_no_token(push: Push) -> None:
    assert push.post(push.key("acme", "github").secret, DEPLOYMENT).status_code == 403


def test_the_token_of_a_source_or_client_that_is_not_active_is_refused(push: Push) -> None:
    token = push.key("acme").secret
    with push.db.connect("pulse_admin") as admin:
        admin.execute("update core.integrations set active = false where name = 'ci'")
    assert push.post(token, DEPLOYMENT).status_code == 401
    with push.db.connect("pulse_admin") as admin:
        admin.execute("update core.integrations set active = true where name = 'ci'")
        admin.execute("update core.clients set active = false where slug = 'acme'")
    assert push.post(token, DEPLOYMENT).status_code == 401


def test_no_key_is_stored_in_a_form_that_opens_anything(push: Push) -> None:
    made = [push.key("acme"), push.key("acme", "github")]
    with push.db.connect("pulse_admin") as admin:
        stored = repr(admin.execute("select * from core.ingest_keys").fetchall())
    assert all(key.secret not in stored and key.secret not in repr(key) for key in made)
    assert keys.digest(made[0].secret) in stored


@pytest.mark.parametrize(("slug", "source"), [("nobody", "ci"), ("acme", "none")])
def test_a_key_needs_a_source(push: Push, slug: str, source: str) -> None:
    with pytest.raises(KeyProblem, match=f"client {slug}"):
        push.key(slug, source)
