"""Pages, mails and refusals in the language of whoever reads them, over HTTP."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
import requests

from pulse.people import links
from tests.people.conftest import PASSWORD, Browser, Mailbox, World

WRONG = {"username": "nobody@techcorp.example", "password": "nothing at all", "provider": "db"}
GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}


def bootstrap(page: str) -> dict[str, Any]:
    """What Superset's own script gets to know from a page."""
    found = re.search(r"data-bootstrap=\"([^\"]*)\"|data-bootstrap='([^']*)'", page)
    assert found
    told: dict[str, Any] = json.loads(html.unescape(found[1] or found[2]))["common"]
    return told


@pytest.fixture(scope="module", autouse=True)
def brands(world: World) -> None:
    """Before Superset reads them for the first time: it keeps them for a moment."""
    brands: dict[str, dict[str, Any]] = {
        "techcorp": {"app_name": "Tech & <Corp>", "primary_color": "#0E7C86", "on_sign_in_page": True, "font": "serif"},
        "acme": {"app_name": "Acme Zahlen", "host_name": "numbers.acme.example", "on_sign_in_page": False},
    }
    for slug, brand in brands.items():
        for key, value in brand.items():
            world.admin.execute(
                "insert into core.system_settings (client_id, setting_key, setting_value) values (%s, %s, %s::jsonb)",
                [world.clients[slug], f"brand.{key}", json.dumps(value)],
            )
    world.db.wait_replica()


@pytest.fixture(scope="module")
def boss(world: World) -> str:
    """The admin of a German client."""
    world.admin.execute("update core.clients set language = 'de' where slug = 'techcorp'")
    return world.add("techcorp", "chefin", "client_admin")


def test_a_visitor_reads_the_browsers_language(world: World) -> None:
    visitor = Browser(world.url)
    for headers, language, heading in (
        (GERMAN, "de", "Passwort vergessen?"),
        ({"Accept-Language": "fr"}, "en", "Forgot your password?"),
        (GERMAN, "de", "Passwort vergessen?"),
    ):
        visitor.headers.update(headers)
        page = visitor.page("/pulse/forgot/").text
        assert f'<html lang="{language}"' in page
        assert f"<h1>{heading}</h1>" in page
        login = visitor.page("/login/").text
        assert f'<html lang="{language}"' in login
        told = bootstrap(login)
        assert told["locale"] == language
        assert told["menu_data"]["navbar_right"]["show_language_picker"] is False
    pack = visitor.page("/superset/language_pack/de/").json()["locale_data"]["superset"]
    assert (pack["Sign in"], pack["Time range"]) == (["Anmelden"], ["Zeitbereich"])
    refused = visitor.post(f"{world.url}/api/v1/security/login", json=WRONG, timeout=60)
    assert refused.json()["message"] == "Name oder Passwort ist falsch."


def test_a_person_reads_the_own_language_whatever_the_browser_says(world: World, boss: str, mailbox: Mailbox) -> None:
    browser = Browser(world.url)
    browser.headers["Accept-Language"] = "en"
    assert browser.sign_in(boss)
    page = browser.page("/pulse/people/").text
    assert '<html lang="de"' in page
    for text in ("<h1>Personen</h1>", "Einladung senden", "Wer die Zahlen Ihres Unternehmens sieht"):
        assert text in page
    answer = browser.submit("/pulse/people/", action="invite", email="neu@techcorp.example", name="Neu")
    assert "Eine Einladung geht an neu@techcorp.example." in answer.text
    links.send_due(world.admin)
    address, message = mailbox.taken[-1]
    assert (address, message["Subject"]) == ("neu@techcorp.example", "Ihr Zugang zu Pulse für Techcorp")
    assert "Der Link gilt einmal und 48 Stunden lang." in message.get_content()
    gone = browser.get(f"{world.url}/superset/dashboard/nowhere/x/", headers={"Accept": "text/html"}, timeout=60)
    assert gone.status_code == 403
    assert '<html lang="de">' in gone.text
    assert "Dafür fehlt Ihnen die Berechtigung." in gone.text
    assert "Zum Dashboard" in gone.text


def test_the_sign_in_page_has_a_clients_brand_where_the_client_wants_it(world: World) -> None:
    """By `?client=`, or at a host name; nobody finds out who is a client, and no visitor gets another one's page."""

    def token(path: str, name: str, host: str = "") -> Any:
        page = requests.get(world.url + path, headers={"Host": host} if host else {}, timeout=60)
        return bootstrap(page.text)["theme"]["default"]["token"][name]

    for _ in range(2):
        assert token("/login/?client=techcorp", "brandAppName") == "Tech & <Corp>"
        for path in (
            "/login/",
            "/login/?client=acme",
            "/login/?client=nobody",
            "/login/?client=%00",
            "/login/?client='--",
        ):
            assert token(path, "brandAppName") == "Pulse", path
        assert token("/login/", "brandAppName", "NUMBERS.acme.example:8443") == "Acme Zahlen"
        assert token("/login/?client=techcorp", "brandAppName", "numbers.acme.example.evil.example") == "Tech & <Corp>"
    assert token("/login/?client=techcorp", "fontFamily").startswith("Georgia")
    assert "Inter" in token("/login/", "fontFamily")
    page = requests.get(f"{world.url}/login/?client=techcorp", timeout=60).text
    assert "<title>Tech &amp; &lt;Corp&gt;</title>" in page
    forgot = requests.get(f"{world.url}/pulse/forgot/", headers={"Host": "numbers.acme.example"}, timeout=60).text
    assert 'alt="Acme Zahlen"' in forgot
    manifest = requests.get(
        f"{world.url}/pulse/manifest.webmanifest", headers={"Host": "numbers.acme.example"}, timeout=60
    )
    assert manifest.json()["name"] == "Acme Zahlen"


def test_a_person_may_have_another_language_than_the_client(world: World, boss: str) -> None:
    email = world.add("techcorp", "guest", "client_admin", language="en")
    browser = Browser(world.url)
    browser.headers.update(GERMAN)
    assert browser.sign_in(email, PASSWORD)
    page = browser.page("/pulse/people/").text
    assert '<html lang="en"' in page
    assert "<h1>People</h1>" in page
    # Nothing of this person's is in the page of another one in the same browser.
    browser.page("/logout/")
    assert '<html lang="de"' in browser.page("/login/").text
