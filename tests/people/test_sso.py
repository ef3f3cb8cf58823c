"""Single sign-on through a real OpenID provider, and through one that lies."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from playwright.sync_api import expect

from stack.postgres.cluster import Cluster
from tests.people.conftest import HASH, PASSWORD, Browser, World, making_world
from tests.support.browsers import chromium
from tests.support.providers import Liar, real_provider, sign_in_there
from tests.support.servers import free_port

PEOPLE = "/pulse/people/"
SECRET = "the secret of the client, long enough for HMAC"


def claims(email: str, *groups: str, verified: bool = True) -> dict[str, Any]:
    return {"email": email, "email_verified": verified, "name": "Ada\u202e Lovelace", "groups": list(groups)}


ACCOUNTS = {
    "named": claims("named@techcorp.example"),
    "impostor": claims("named@techcorp.example"),
    "page": claims("page@techcorp.example"),
    "clicks": claims("clicks@techcorp.example"),
    "gone": claims("gone@techcorp.example"),
    "fresh": claims("Fresh@TechCorp.example", "everybody", "pulse"),
    "chief": claims("chief@techcorp.example", "pulse", "pulse-admins"),
    "outsider": claims("outsider@techcorp.example", "everybody"),
    "unverified": claims("unverified@techcorp.example", "pulse", verified=False),
    "rival": claims("rival@acme.example", "pulse"),
    "stranger": claims("stranger@elsewhere.example", "pulse"),
    "strict": claims("strict@acme.example", "pulse"),
}


@pytest.fixture(scope="module")
def liar() -> Iterator[Liar]:
    with Liar(free_port()).running() as made:
        yield made


@pytest.fixture(scope="module")
def world(cluster: Cluster, liar: Liar, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """TechCorp signs in at `techcorp`, Acme at `acme`; `house` may speak for everyone, `liar` for Acme's partners."""
    folder, port, provider = tmp_path_factory.mktemp("sso"), free_port(), free_port()
    back = {name: [f"http://127.0.0.1:{port}/pulse/sso/{name}/back/"] for name in ("techcorp", "acme", "house")}
    clients = {
        "techcorp": {"secret": SECRET, "redirect_uris": back["techcorp"]},
        "acme": {"redirect_uris": back["acme"]},
        "house": {"secret": SECRET, "redirect_uris": back["house"]},
    }
    with real_provider(provider, clients, ACCOUNTS, folder / "provider.log") as issuer:
        providers = [
            {
                "name": "techcorp",
                "issuer": issuer,
                "client_id": "techcorp",
                "client_secret": SECRET,
                "label": "TechCorp's",
            },
            {"name": "acme", "issuer": issuer, "client_id": "acme"},
            {"name": "house", "issuer": issuer, "client_id": "house", "client_secret": SECRET, "everyone": True},
            {"name": "liar", "issuer": liar.issuer, "client_id": "liar", "client_secret": SECRET},
        ]
        slugs = ("techcorp", "acme", "partner")
        with making_world(cluster, folder, port, slugs, PULSE_OIDC_PROVIDERS=json.dumps(providers)) as world:
            roles = {"pulse": "executive", "pulse-admins": "client_admin"}
            common = {"sso.create": True, "sso.roles": roles}
            settings = {
                "techcorp": {"sso.provider": "techcorp", "sso.domains": ["techcorp.example"], **common},
                "acme": {"sso.provider": "acme", "sso.domains": ["acme.example"], "sso.only": True, **common},
            }
            settings["partner"] = {"sso.provider": "liar", "sso.domains": ["partner.example"], "sso.roles": roles}
            for client, values in settings.items():
                for key, value in values.items():
                    world.db.set_setting(world.clients[client], key, value)
            for email, client, values in (
                ("named@techcorp.example", "techcorp", {}),
                ("page@techcorp.example", "techcorp", {"origin": "people"}),
                ("clicks@techcorp.example", "techcorp", {}),
                ("gone@techcorp.example", "techcorp", {"active": False}),
                ("strict@acme.example", "acme", {}),
                ("known@partner.example", "partner", {}),
            ):
                world.add(client, email.partition("@")[0], **values)
            yield world


def start(browser: Browser, provider: str = "techcorp") -> str:
    answer = browser.page(f"/pulse/sso/{provider}/")
    assert answer.status_code == 302, answer.text
    return str(answer.headers["Location"])


def sign_in(world: World, login: str, provider: str = "techcorp") -> tuple[Browser, str]:
    """The browser afterwards, and the text of a refusal."""
    browser = Browser(world.url)
    back = sign_in_there(browser, start(browser, provider), login)
    answer = browser.get(back, allow_redirects=False, timeout=60)
    assert answer.status_code in (302, 403)
    return browser, answer.text if answer.status_code == 403 else ""


def person(world: World, email: str) -> tuple[Any, ...] | None:
    return world.admin.execute(
        "select c.slug, u.role, u.origin, u.active, u.full_name from core.users u join core.clients c on c.id = u.client_id"
        " where u.email = %s",
        [email],
    ).fetchone()


@pytest.mark.parametrize("login", ["named", "page"])
def test_a_person_who_is_named_signs_in_as_with_a_password(world: World, login: str) -> None:
    browser, _ = sign_in(world, login)
    assert browser.is_in()
    email = ACCOUNTS[login]["email"]
    row = world.admin.execute(
        "select s.kind, s.active from core.user_sessions s join core.users u on u.id = s.user_id where u.email = %s",
        [email],
    ).fetchall()
    assert row == [("browser", True)]
    browser.page("/logout/")
    assert not browser.is_in()
    with world.db.cluster.primary.connect(database=world.db.name) as staff:
        staff.execute("set session authorization pulse_staff")
        noted = staff.execute("select kind, what from audit.events where who = %s order by id", [email]).fetchall()
    assert [row for row in noted if row[0].startswith("sign")] == [("signed in", "sso techcorp"), ("signed out", "")]
    assert Browser(world.url).sign_in(email, PASSWORD), "the form is there, too"


def test_what_we_send_is_bound_to_this_browser(world: World) -> None:
    asked = [parse_qs(urlsplit(start(Browser(world.url))).query) for _ in range(2)]
    for query in asked:
        assert query["response_type"] == ["code"]
        assert query["code_challenge_method"] == ["S256"]
        assert {"code_challenge", "nonce", "state"} <= set(query)
    for name in ("code_challenge", "nonce", "state"):
        assert asked[0][name] != asked[1][name]


def test_somebody_new_gets_the_role_of_a_claim_in_the_domains_client(world: World) -> None:
    browser, _ = sign_in(world, "fresh")
    assert browser.is_in()
    assert person(world, "fresh@techcorp.example") == ("techcorp", "executive", "sso", True, "Ada Lovelace")
    assert browser.page(PEOPLE).status_code == 403
    chief, _ = sign_in(world, "chief")
    assert person(world, "chief@techcorp.example") == ("techcorp", "client_admin", "sso", True, "Ada Lovelace")
    page = chief.page(PEOPLE)
    assert page.status_code == 200
    assert "was removed" in chief.submit(PEOPLE, action="remove", email="fresh@techcorp.example").text
    world.db.wait_replica()
    assert not browser.is_in()
    refused, said = sign_in(world, "fresh")
    assert not refused.is_in()
    assert "no login for you" in said, "whoever was removed does not come back by signing in"


def test_a_role_goes_when_the_claim_goes(world: World) -> None:
    sign_in(world, "chief")
    world.db.set_setting(world.clients["techcorp"], "sso.roles", {"pulse": "executive"})
    world.db.wait_replica()
    sign_in(world, "chief")
    assert person(world, "chief@techcorp.example") == ("techcorp", "executive", "sso", True, "Ada Lovelace")
    world.db.set_setting(world.clients["techcorp"], "sso.roles", {"others": "executive"})
    world.db.wait_replica()
    browser, said = sign_in(world, "chief")
    world.db.set_setting(world.clients["techcorp"], "sso.roles", {"pulse": "executive", "pulse-admins": "client_admin"})
    world.db.wait_replica()
    assert "no role for Pulse" in said
    assert not browser.is_in()


@pytest.mark.parametrize(
    ("login", "provider", "said"),
    [
        ("gone", "techcorp", "no login for you"),
        ("outsider", "techcorp", "no role for Pulse"),
        ("unverified", "techcorp", "verified"),
        ("rival", "techcorp", "no login for you"),
        ("stranger", "techcorp", "no login for you"),
        ("stranger", "house", "no login for you"),
        ("fresh", "house", "no login for you"),
        ("named", "acme", "no login for you"),
        ("strict", "techcorp", "no login for you"),
    ],
)
def test_who_is_not_named_or_not_of_this_provider_does_not_get_in(
    world: World, login: str, provider: str, said: str
) -> None:
    """Among them: one client's provider that speaks for another's people."""
    before = world.admin.execute("select email, active from core.users order by 1").fetchall()
    browser, text = sign_in(world, login, provider)
    assert said in text
    assert not browser.is_in()
    assert world.admin.execute("select email, active from core.users order by 1").fetchall() == before


def test_an_address_that_was_given_to_somebody_else_is_not_the_same_person(world: World) -> None:
    assert sign_in(world, "named")[0].is_in()
    browser, said = sign_in(world, "impostor")
    assert "belonged to another account" in said
    assert not browser.is_in()


def test_the_house_provider_signs_in_people_of_clients_without_one(world: World) -> None:
    world.add("partner", "visitor")
    world.db.set_setting(world.clients["partner"], "sso.provider", "house")
    try:
        assert "no login for you" in sign_in(world, "stranger", "house")[1]
        world.admin.execute(
            "update core.users set email = 'stranger@elsewhere.example' where email = 'visitor@partner.example'"
        )
        world.db.wait_replica()
        assert sign_in(world, "stranger", "house")[0].is_in()
    finally:
        world.admin.execute("delete from core.users where email = 'stranger@elsewhere.example'")
        world.db.set_setting(world.clients["partner"], "sso.provider", "liar")


def test_where_only_the_provider_counts_a_password_does_not(world: World) -> None:
    assert not Browser(world.url).sign_in("strict@acme.example")
    assert sign_in(world, "strict", "acme")[0].is_in()
    world.add("acme", "consultant")
    world.admin.execute(
        "update core.users set email = 'consultant@partner.example' where email = 'consultant@acme.example'"
    )
    world.db.wait_replica()
    assert Browser(world.url).sign_in("consultant@partner.example"), "an address of no domain of the provider"


def test_a_provider_is_found_by_the_address(world: World) -> None:
    browser = Browser(world.url)
    assert "/pulse/sso/house/" in browser.page("/pulse/sso/").text
    for hidden in ("/pulse/sso/techcorp/", "/pulse/sso/acme/", "TechCorp"):
        assert hidden not in browser.page("/pulse/sso/").text, "who the clients are is nobody's business"
    assert 'href="/pulse/sso/techcorp/"' in browser.submit("/pulse/sso/", email="Anybody@TechCorp.example").text
    for email in ("a@nowhere.example", "a@b", "x'\"<script>@techcorp.example"):
        assert "no single sign-on for this address" in browser.submit("/pulse/sso/", email=email).text
    assert browser.page("/pulse/sso/nobody/").status_code == 404
    assert browser.page("/pulse/sso/nobody/back/?state=x&code=y").status_code == 404


def test_an_answer_counts_once_in_its_own_browser_and_at_its_own_provider(world: World) -> None:
    browser = Browser(world.url)
    back = sign_in_there(browser, start(browser), "page")
    thief = Browser(world.url)
    start(thief)
    assert thief.get(back, allow_redirects=False, timeout=60).status_code == 403, "somebody else's answer"
    elsewhere = back.replace("/techcorp/back/", "/house/back/")
    assert browser.get(elsewhere, allow_redirects=False, timeout=60).status_code == 403
    back = sign_in_there(browser, start(browser), "page")
    state = parse_qs(urlsplit(back).query)["state"][0]
    for forged in (
        back.replace(state, "x" * len(state)),
        back.replace("state=", "stale="),
        back + "&iss=https://evil.example",
        back + f"&state={state}",
        back.replace("iss=", "iss=https%3A%2F%2Fevil.example%2F"),
    ):
        other = Browser(world.url)
        other.cookies.update(browser.cookies)
        assert other.get(forged, allow_redirects=False, timeout=60).status_code == 403
    assert browser.get(back, allow_redirects=False, timeout=60).status_code == 302
    assert browser.is_in()
    again = Browser(world.url)
    again.cookies.update(browser.cookies)
    assert again.get(back, allow_redirects=False, timeout=60).status_code == 403, "the same answer once more"


def test_the_sign_in_page_leads_to_both(world: World) -> None:
    """Superset draws that page with a script of its own."""
    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"{world.url}/login/")
        expect(page.get_by_role("link", name="Forgot password?")).to_be_visible(timeout=60_000)
        expect(page.get_by_text("E-mail address:")).to_be_visible()
        expect(page.get_by_text("Username")).to_have_count(0)
        page.locator("#password").press("Enter")
        expect(page.get_by_text("Please enter your e-mail address")).to_be_visible()
        link, field = (page.locator(name).bounding_box() for name in ("#pulse-forgot a >> nth=0", "#password"))
        assert link is not None
        assert field is not None
        assert abs(link["x"] - field["x"]) < 60, "below the form, and not at the edge of the page"
        assert 0 < link["y"] - field["y"] < 200
        page.screenshot(path=world.log.parent / "login.png")
        page.get_by_role("link", name="Single sign-on").click()
        page.get_by_label("Your e-mail address at work").fill("clicks@techcorp.example")
        page.get_by_role("button", name="Go on").click()
        page.get_by_role("link", name="Go on to TechCorp's").click()
        page.locator('[name="login"]').fill("clicks")
        page.locator('[name="password"]').fill("x")
        page.get_by_role("button", name="Sign-in").click()
        page.get_by_role("button", name="Continue").click()
        page.wait_for_url(f"{world.url}/superset/dashboard/**", timeout=30_000)


def token(liar: Liar, nonce: str, key: Any = None, algorithm: str = "RS256", **changes: Any) -> str:
    now = int(time.time())
    said = {
        "iss": liar.issuer,
        "sub": "known",
        "aud": "liar",
        "iat": now,
        "exp": now + 300,
        "nonce": nonce,
        "email": "known@partner.example",
        "email_verified": True,
        "groups": [],
    } | changes
    said = {name: value for name, value in said.items() if value is not None}
    return jwt.encode(said, liar.key if key is None else key, algorithm, headers={"kid": "1"})


def public_pem(liar: Liar) -> bytes:
    return liar.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def come_back(world: World, liar: Liar, **changes: Any) -> bool:
    """Whether the person gets in with what the liar says."""
    browser = Browser(world.url)
    query = parse_qs(urlsplit(start(browser, "liar")).query)
    nonce = changes.pop("nonce", query["nonce"][0])
    made = changes.pop("made", None)
    liar.answer = {"access_token": "x", "token_type": "Bearer"}
    if made != "none":
        liar.answer["id_token"] = made or token(liar, nonce, **changes)
    answer = browser.page(f"/pulse/sso/liar/back/?state={query['state'][0]}&code=c")
    assert answer.status_code in (302, 403)
    assert browser.is_in() == (answer.status_code == 302)
    return browser.is_in()


def test_the_liar_can_tell_the_truth(world: World, liar: Liar) -> None:
    assert come_back(world, liar), "or the lies below would prove nothing"


LIES: dict[str, dict[str, Any]] = {
    "nonce of another": {"nonce": "guessed"},
    "no nonce": {"nonce": None},
    "another audience": {"aud": "somebody else"},
    "several audiences, for another": {"aud": ["liar", "other"], "azp": "other"},
    "another issuer": {"iss": "https://evil.example"},
    "expired": {"exp": 1, "iat": 0},
    "no expiry": {"exp": None},
    "from tomorrow": {"nbf": int(time.time()) + 86400},
    "no subject": {"sub": None},
    "address not verified": {"email_verified": False},
    "verified in words": {"email_verified": "true"},
    "verified as a number": {"email_verified": 1},
    "nothing about verified": {"email_verified": None},
    "a list of addresses": {"email": ["known@partner.example"]},
    "an address with a break": {"email": "known@partner.example\nx"},
    "an address with a null": {"email": "known@partner.example\0"},
    "another client's person": {"email": "named@techcorp.example"},
    "somebody unknown": {"email": "new@partner.example", "groups": ["pulse"]},
    "staff": {"email": "staff@pulse.invalid"},
    "another subject": {"sub": "somebody else"},
    "no ID token": {"made": "none"},
    "no signature": {"algorithm": "none", "key": ""},
    "signed with the client's secret": {"algorithm": "HS256", "key": SECRET},
}


@pytest.mark.parametrize("lie", sorted(LIES))
def test_a_lie_lets_nobody_in(world: World, liar: Liar, lie: str) -> None:
    if lie == "another subject":
        assert come_back(world, liar)
    before = world.admin.execute("select count(*) from core.users").fetchone()
    assert not come_back(world, liar, **LIES[lie])
    assert world.admin.execute("select count(*) from core.users").fetchone() == before


def test_other_keys_and_broken_answers_let_nobody_in(world: World, liar: Liar) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert not come_back(world, liar, key=other)
    for made in ("x.y.z", "x", "ey.ey.ey", "é" * 50):
        assert not come_back(world, liar, made=made)
    # The public key as the secret of an HMAC: PyJWT itself refuses to sign so, hence by hand.
    import base64
    import hashlib
    import hmac

    head, body, _ = token(liar, "x").split(".")
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"1"}').rstrip(b"=").decode()
    signature = hmac.digest(public_pem(liar), f"{header}.{body}".encode(), hashlib.sha256)
    assert head
    assert not come_back(
        world, liar, made=f"{header}.{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    )


def test_the_two_answers_of_a_provider_are_of_one_person(world: World, liar: Liar) -> None:
    """Without an address in the ID token, the userinfo endpoint is asked."""
    liar.userinfo = {"sub": "known", "email": "known@partner.example", "email_verified": True}
    assert come_back(world, liar, email=None)
    liar.userinfo = {"sub": "other", "email": "known@partner.example", "email_verified": True}
    assert not come_back(world, liar, email=None)
    assert HASH
