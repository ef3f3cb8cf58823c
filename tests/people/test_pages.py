"""The pages with which people set passwords and a client's admin invites and removes people, over HTTP, with hostile visitors."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from pulse.people import links
from tests.people.conftest import PASSWORD, Browser, Mailbox, World

NEW = "birne wolke fenster moos"
FORGOT, PEOPLE = "/pulse/forgot/", "/pulse/people/"


def mailed(world: World, mailbox: Mailbox) -> dict[str, str]:
    """What the postman sends now: the path of the link by address."""
    before = len(mailbox.taken)
    links.take_requests(world.admin)
    links.send_due(world.admin)
    found = {}
    for address, message in mailbox.taken[before:]:
        match = re.search(r"https://pulse\.example(/pulse/password/[\w-]{43})\s", message.get_content())
        assert match
        found[address] = match[1]
    return found


@pytest.fixture(autouse=True)
def fresh(world: World) -> Iterator[None]:
    """No open link, and nobody counted, from an earlier test."""
    yield
    world.admin.execute("delete from core.password_links")
    world.admin.execute("delete from core.password_requests")
    world.forget_tries()


@pytest.fixture(scope="module")
def boss(world: World) -> str:
    return world.add("techcorp", "boss", "client_admin")


@pytest.fixture
def admin(world: World, boss: str) -> Browser:
    browser = Browser(world.url)
    assert browser.sign_in(boss)
    return browser


def test_a_forgotten_password_is_set_anew_and_other_sessions_end(world: World, mailbox: Mailbox) -> None:
    email = world.add("techcorp", "forgetful")
    elsewhere = Browser(world.url)
    assert elsewhere.sign_in(email)
    visitor = Browser(world.url)
    assert "on its way" in visitor.submit(FORGOT, email=email.upper()).text
    (path,) = mailed(world, mailbox).values()
    assert "Set a new password" in visitor.page(path).text
    for password, again, said in (
        (NEW, NEW + "x", "not the same"),
        ("short", "short", "12 characters"),
        (email, email, "e-mail address"),
        ("qwertyuiopasdf", "qwertyuiopasdf", "keyboard"),
        (NEW + "\0", NEW + "\0", "cannot be typed"),
    ):
        assert said in visitor.submit(path, password=password, again=again).text
    assert elsewhere.is_in(), "nothing has changed so far"
    assert "Your password is set" in visitor.submit(path, password=NEW, again=NEW).text
    world.db.wait_replica()
    assert not elsewhere.is_in()
    assert not Browser(world.url).sign_in(email, PASSWORD)
    assert Browser(world.url).sign_in(email, NEW)


def test_the_answer_tells_nobody_who_exists(world: World, mailbox: Mailbox) -> None:
    email = world.add("techcorp", "known")
    gone = world.add("techcorp", "gone", active=False)
    answers = set()
    for asked in (email, gone, "nobody@techcorp.example", "x@" + "y" * 300 + ".example"):
        answer = Browser(world.url).submit(FORGOT, email=asked)
        answers.add((answer.status_code, re.sub(r'value="[^"]*"', "", answer.text)))
    assert len(answers) == 1
    assert list(mailed(world, mailbox)) == [email]


def test_asking_again_and_again_is_slowed_down(world: World, mailbox: Mailbox) -> None:
    email = world.add("techcorp", "bombed")
    statuses = [Browser(world.url).submit(FORGOT, email=email).status_code for _ in range(7)]
    assert statuses[:5] == [200] * 5
    assert statuses[-1] == 429
    assert list(mailed(world, mailbox)) == [email], "one mail, however often"
    world.forget_tries()
    assert Browser(world.url).submit(FORGOT, email=email).status_code == 200
    assert not mailed(world, mailbox), "the next one in five minutes"
    world.admin.execute("update core.password_links set asked_at = now() - interval '6 minutes'")
    world.forget_tries()
    Browser(world.url).submit(FORGOT, email=email)
    assert list(mailed(world, mailbox)) == [email]


@pytest.mark.parametrize(
    "email",
    [
        "ada@techcorp.example\nBcc: eve@evil.example",
        "ada@techcorp.example\r\n\r\nhello",
        "ada,eve@evil.example",
        "ada@techcorp.example,eve@evil.example",
        '"ada"<eve@evil.example>',
        "ada\0@techcorp.example",
        "ada\x07@techcorp.example",
        "ada\x7f@techcorp.example",
        "ada\u202e@techcorp.example",
        "a b@techcorp.example",
        "ada@techcorp.example;eve@evil.example",
        "ada@localhost",
        "a" * 65 + "@techcorp.example",
    ],
)
def test_what_is_no_address_gets_no_mail(world: World, mailbox: Mailbox, admin: Browser, email: str) -> None:
    Browser(world.url).submit(FORGOT, email=email)
    assert "not an e-mail address" in admin.submit(PEOPLE, action="invite", email=email).text
    for name in ("Ada\nBcc: eve@evil.example", "Ada\x07", "A\u202ed", "x" * 121):
        assert "in one line" in admin.submit(PEOPLE, action="invite", email="new@techcorp.example", name=name).text
    assert not mailed(world, mailbox)
    assert not mailbox.taken


def test_a_link_is_good_once(world: World, mailbox: Mailbox) -> None:
    email = world.add("techcorp", "once")
    Browser(world.url).submit(FORGOT, email=email)
    (path,) = mailed(world, mailbox).values()
    visitors = [Browser(world.url) for _ in range(4)]
    tokens = [visitor.token(path) for visitor in visitors]
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(
                lambda one: one[0].submit(path, csrf=one[1], password=NEW, again=NEW),
                zip(visitors, tokens, strict=True),
            )
        )
    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404]
    assert visitors[0].submit(path, csrf=tokens[0], password=PASSWORD, again=PASSWORD).status_code == 404
    world.db.wait_replica()
    assert Browser(world.url).sign_in(email, NEW)


def test_a_link_is_good_for_48_hours_and_a_newer_one_takes_its_place(world: World, mailbox: Mailbox) -> None:
    email = world.add("techcorp", "late")
    Browser(world.url).submit(FORGOT, email=email)
    (old,) = mailed(world, mailbox).values()
    row = world.admin.execute("select expires_at - sent_at from core.password_links").fetchone()
    assert row is not None
    assert row[0].total_seconds() == 48 * 3600
    made = links.make(world.admin, "techcorp", email).removeprefix("https://pulse.example")
    assert Browser(world.url).page(old).status_code == 404
    assert Browser(world.url).page(made).status_code == 200
    world.admin.execute("update core.password_links set expires_at = now() - interval '1 second'")
    visitor = Browser(world.url)
    csrf = visitor.token(FORGOT)
    assert "does not work any more" in visitor.page(made).text
    assert visitor.submit(made, csrf=csrf, password=NEW, again=NEW).status_code == 404


def test_forged_tokens_and_missing_csrf_are_refused(world: World, mailbox: Mailbox) -> None:
    email = world.add("techcorp", "target")
    Browser(world.url).submit(FORGOT, email=email)
    (path,) = mailed(world, mailbox).values()
    visitor = Browser(world.url)
    csrf = visitor.token(FORGOT)
    row = world.admin.execute("select token_hash from core.password_links").fetchone()
    assert row is not None
    for token in (
        "x" * 43,
        path[-43:-1] + "-",
        path[-43:].swapcase(),
        row[0],
        "%00" * 43,
        "..%2f",
        "a" * 5000,
        "é" * 43,
    ):
        assert visitor.submit(f"/pulse/password/{token}", csrf=csrf, password=NEW, again=NEW).status_code in (
            400,
            401,
            404,
        )
    for forged in ("", "x", csrf[:-2] + "xx"):
        assert visitor.submit(path, csrf=forged, password=NEW, again=NEW).status_code in (302, 400)
        assert Browser(world.url).submit(FORGOT, csrf=forged, email=email).status_code in (302, 400)
    assert world.admin.execute("select count(*) from core.password_requests").fetchone() == (0,)
    world.db.wait_replica()
    assert Browser(world.url).sign_in(email, PASSWORD)


def test_a_page_with_a_token_tells_no_other_server(world: World, mailbox: Mailbox) -> None:
    email = world.add("techcorp", "private")
    Browser(world.url).submit(FORGOT, email=email)
    (path,) = mailed(world, mailbox).values()
    answer = Browser(world.url).page(path)
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert email in answer.text


def test_a_client_admin_invites_and_removes(world: World, mailbox: Mailbox, admin: Browser) -> None:
    email = "ada@techcorp.example"
    assert "An invitation goes to" in admin.submit(PEOPLE, action="invite", email=email, name="Ada <b>L</b>").text
    assert "invited a moment ago" in admin.submit(PEOPLE, action="invite", email=email).text
    assert "Ada &lt;b&gt;L&lt;/b&gt;" in admin.page(PEOPLE).text
    sent = mailed(world, mailbox)
    assert list(sent) == [email]
    assert "invited, has not set" in admin.page(PEOPLE).text
    visitor = Browser(world.url)
    assert "Your password is set" in visitor.submit(sent[email], password=NEW, again=NEW).text
    world.db.wait_replica()
    assert visitor.sign_in(email, NEW)
    row = world.admin.execute("select client_id, role, origin from core.users where email = %s", [email]).fetchone()
    assert row == (world.clients["techcorp"], "executive", "people")
    assert visitor.page(PEOPLE).status_code == 403, "an executive, no admin"
    assert "has a login already" in admin.submit(PEOPLE, action="invite", email=email).text
    assert "was removed" in admin.submit(PEOPLE, action="remove", email=email).text
    world.db.wait_replica()
    assert not visitor.is_in()
    assert not Browser(world.url).sign_in(email, NEW)
    Browser(world.url).submit(FORGOT, email=email)
    assert not mailed(world, mailbox), "who was removed gets no new password"
    assert "An invitation goes to" in admin.submit(PEOPLE, action="invite", email=email).text
    (path,) = mailed(world, mailbox).values()
    assert "Your password is set" in Browser(world.url).submit(path, password=NEW, again=NEW).text
    world.db.wait_replica()
    assert Browser(world.url).sign_in(email, NEW)


def test_a_withdrawn_invitation_does_not_work(world: World, mailbox: Mailbox, admin: Browser) -> None:
    admin.submit(PEOPLE, action="invite", email="withdrawn@techcorp.example")
    (path,) = mailed(world, mailbox).values()
    admin.submit(PEOPLE, action="remove", email="withdrawn@techcorp.example")
    assert Browser(world.url).page(path).status_code == 404


def test_the_page_does_not_touch_whom_the_variable_names(world: World, admin: Browser, boss: str) -> None:
    declared = world.add("techcorp", "declared")
    invited = world.add("techcorp", "invited", password_hash="")
    for email, action in ((declared, "remove"), (invited, "invite"), (invited, "remove")):
        assert "was declared by whoever runs Pulse" in admin.submit(PEOPLE, action=action, email=email).text
    assert "cannot remove yourself" in admin.submit(PEOPLE, action="remove", email=boss).text
    assert admin.is_in()


def test_an_address_of_another_client_cannot_be_told_from_a_new_one(
    world: World, mailbox: Mailbox, admin: Browser
) -> None:
    theirs = world.add("acme", "theirs")
    answers = [
        re.sub(rf'value="[^"]*"|{email}', "", admin.submit(PEOPLE, action="invite", email=email).text)
        for email in (theirs, "brand-new@techcorp.example")
    ]
    assert answers[0].count("has not been sent") == 1
    assert answers[1].count("has not been sent") == 2
    assert "An invitation goes to" in answers[0]
    sent = mailed(world, mailbox)
    answer = Browser(world.url).submit(sent[theirs], password=NEW, again=NEW)
    assert "belongs to another company" in answer.text
    world.db.wait_replica()
    assert Browser(world.url).sign_in(theirs, PASSWORD), "their login is as it was"
    for action in ("remove", "invite"):
        admin.submit(PEOPLE, action=action, email=theirs)
    world.db.wait_replica()
    assert Browser(world.url).sign_in(theirs, PASSWORD)


def test_nobody_else_sees_the_page(world: World) -> None:
    """Executives, staff, visitors, and whoever was an admin a moment ago."""
    executive, former = Browser(world.url), Browser(world.url)
    assert executive.sign_in(world.add("techcorp", "executive"))
    email = world.add("techcorp", "former", "client_admin")
    assert former.sign_in(email)
    assert former.page(PEOPLE).status_code == 200
    csrf = former.token(PEOPLE)
    world.admin.execute("update core.users set role = 'executive' where email = %s", [email])
    staff = Browser(world.url)
    staff.submit("/login/", username="staff", password=PASSWORD)
    assert staff.is_in()
    for browser, token, statuses in (
        (executive, executive.token(FORGOT), {403}),
        (former, csrf, {302, 401, 403}),
        (staff, staff.token(FORGOT), {403}),
        (Browser(world.url), "", {302, 400, 401}),
    ):
        assert browser.page(PEOPLE).status_code in statuses
        answer = browser.submit(PEOPLE, csrf=token, action="invite", email="eve@evil.example")
        assert answer.status_code in statuses
    assert world.admin.execute("select count(*) from core.password_links").fetchone() == (0,)


def test_each_admin_sees_and_changes_the_own_client_only(world: World, admin: Browser, mailbox: Mailbox) -> None:
    other = Browser(world.url)
    assert other.sign_in(world.add("acme", "rival", "client_admin"))
    admin.submit(PEOPLE, action="invite", email="shared@partner.example")
    mailed(world, mailbox)
    text = other.page(PEOPLE).text
    assert "techcorp" not in text.lower()
    assert "shared@partner.example" not in text
    assert "not among the people" in other.submit(PEOPLE, action="remove", email="shared@partner.example").text
    assert "not among the people" in other.submit(PEOPLE, action="remove", email="boss@techcorp.example").text
    assert admin.is_in()
    assert "shared@partner.example" in admin.page(PEOPLE).text


def test_a_form_of_another_page_changes_nothing(world: World, admin: Browser) -> None:
    """CSRF: the cookie alone, a token of somebody else, a JWT in place of a form's token."""
    stranger = Browser(world.url)
    for token in ("", "x", stranger.token(FORGOT)):
        answer = admin.submit(PEOPLE, csrf=token, action="invite", email="eve@evil.example")
        assert answer.status_code in (302, 400)
    answer = requests.post(
        f"{world.url}{PEOPLE}",
        json={"action": "invite", "email": "eve@evil.example"},
        cookies=admin.cookies,
        allow_redirects=False,
        timeout=60,
    )
    assert answer.status_code in (302, 400)
    assert world.admin.execute("select count(*) from core.password_links").fetchone() == (0,)


def test_invitations_are_bounded(world: World, admin: Browser) -> None:
    world.admin.execute(
        "insert into core.password_links (client_id, email, kind, asked_by)"
        " select %s, 'p' || n || '@partner.example', 'invited', 'boss' from generate_series(1, 30) n",
        [world.clients["techcorp"]],
    )
    assert "Too many invitations" in admin.submit(PEOPLE, action="invite", email="more@partner.example").text


def test_without_the_primary_nothing_is_pretended(world: World, admin: Browser) -> None:
    visitor = Browser(world.url)
    csrf, admins = visitor.token(FORGOT), admin.token(PEOPLE)
    with world.primary_away():
        assert visitor.submit(FORGOT, csrf=csrf, email="x@techcorp.example").status_code == 503
        assert visitor.page(f"/pulse/password/{'x' * 43}").status_code == 503
        assert admin.submit(PEOPLE, csrf=admins, action="invite", email="x@techcorp.example").status_code == 503
    deadline = time.monotonic() + 20
    while admin.page(PEOPLE).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.5)


def events(world: World, who: str) -> list[tuple[str, str, str | None, str]]:
    """What somebody did, in order."""
    with world.db.cluster.primary.connect(database=world.db.name) as staff:
        staff.execute("set session authorization pulse_staff")
        return staff.execute(
            "select kind, from_where, client, what from audit.events where who = %s order by id", [who]
        ).fetchall()


def test_sign_ins_refusals_and_logouts_are_in_the_audit(world: World) -> None:
    email = world.add("techcorp", "watched")
    browser = Browser(world.url)
    assert not browser.sign_in(email, "wrong")
    assert browser.sign_in(email.upper())
    assert browser.page(PEOPLE).status_code == 403
    browser.page("/api/v1/dataset/related/owners")
    assert browser.page("/pulse/brief.pdf").content.startswith(b"%PDF")
    browser.page("/logout/")
    assert events(world, email) == [
        ("sign in refused", "127.0.0.1", "techcorp", "browser"),
        ("signed in", "127.0.0.1", "techcorp", "browser"),
        ("refused", "127.0.0.1", "techcorp", "GET /api/v1/me/"),  # the role of these tests may not
        ("refused", "127.0.0.1", "techcorp", "GET /pulse/people/"),
        ("refused", "127.0.0.1", "techcorp", "GET /api/v1/dataset/related/<column_name>"),
        ("downloaded", "127.0.0.1", "techcorp", "GET /pulse/brief.pdf, brief-techcorp-empty.pdf"),
        ("signed out", "127.0.0.1", "techcorp", ""),
    ]
    Browser(world.url).sign_in("staff")
    assert "signed in" in [row[0] for row in events(world, "staff")]
    Browser(world.url).sign_in("nobody@techcorp.example")
    assert [row[0] for row in events(world, "nobody@techcorp.example")] == ["sign in refused"]
    Browser(world.url).sign_in("my password\n\u202e in the wrong field")
    assert [row[0] for row in events(world, "(an unknown name)")] == ["sign in refused"]
    odd = requests.get(f"{world.url}/api/v1/me/", headers={"Authorization": "Bearer x, y"}, timeout=60)
    assert odd.status_code == 401
    assert "Authorization must be" in events(world, "visitor at 127.0.0.1")[-1][3]


def test_who_is_refused_again_and_again_fills_no_table(world: World) -> None:
    email = world.add("techcorp", "prober")
    browser = Browser(world.url)
    assert browser.sign_in(email)
    for _ in range(45):
        browser.page(PEOPLE)
    noted = [row[3] for row in events(world, email) if row[0] == "refused"]
    assert 31 <= len(noted) <= 33, "a minute may end meanwhile"
    assert "and more of the same in this minute" in noted


def test_what_people_do_on_the_pages_is_in_the_audit(world: World, mailbox: Mailbox, admin: Browser, boss: str) -> None:
    email = "noted@techcorp.example"
    before = len(events(world, boss))
    admin.submit(PEOPLE, action="invite", email=email)
    (path,) = mailed(world, mailbox).values()
    Browser(world.url).submit(path, password=NEW, again=NEW)
    admin.submit(PEOPLE, action="remove", email=email)
    assert events(world, boss)[before:] == [
        ("person invited", "127.0.0.1", "techcorp", f"{email}, asked by {boss}"),
        ("person removed", "127.0.0.1", "techcorp", email),
    ]
    assert events(world, email) == [("person added", "127.0.0.1", "techcorp", f"{email} as executive (people)")]


def test_events_wait_while_the_primary_is_away(world: World) -> None:
    email = world.add("techcorp", "patient")
    with world.primary_away():
        assert Browser(world.url).sign_in(email), "nobody waits for the audit"
        assert events(world, email) == []
    deadline = time.monotonic() + 30
    visitor = Browser(world.url)
    assert visitor.sign_in(email)
    while len(events(world, email)) < 2:
        assert time.monotonic() < deadline
        visitor.is_in()
        time.sleep(0.5)
