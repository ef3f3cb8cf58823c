"""One person is erased: no name is left or comes back, every number stays, and nobody else's row is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pulse.orchestration.dag import dag_id
from pulse.warehouse.connect import client_transaction
from pulse.warehouse.erased import Erased, Identity, digest, words_of
from pulse.warehouse.loader import LoadResult, Page, RawRow, Reject, load_pages
from pulse.warehouse.transforms import run_stage
from stack.clients import erase
from stack.clients.erase import CannotErase, Person
from stack.clients.traces import Found
from tests.support.database import Connection, TestDatabase
from tests.support.rows import tenant_relations
from tests.support.world import World, at, steady

NOW = at("2026-02-20 12:00")
ADA = Person(("ada-l7",), ("ada@acme.example",), ("Ada Lovelace",), ("712020:8a1c-77",))
NAMES = ("ada-l7", "ada@acme.example", "ada lovelace", "712020:8a1c-77")


def pull(number: int, repository: int, author: str, reviewer: str) -> RawRow:
    when = f"2026-02-0{number}T"
    payload = {
        "fullDatabaseId": number,
        "number": number,
        "title": f"Change {number} of @{author}",
        "body": f"Pairing with {author}.\nSigned-off-by: Ada  Lovelace <ada@acme.example>",
        "headRefName": f"{author}/work-{number}",
        "baseRefName": "main",
        "state": "MERGED",
        "url": f"https://github.com/acme/shop/pull/{number}",
        "author": {"__typename": "User", "login": author},
        "createdAt": f"{when}09:00:00Z",
        "updatedAt": f"{when}12:00:00Z",
        "mergedAt": f"{when}12:00:00Z",
        "mergeCommit": {"oid": f"shop-{number}"},
        "commits": [
            {
                "oid": f"c{number}",
                "authoredDate": f"{when}08:00:00Z",
                "committedDate": f"{when}08:00:00Z",
                "messageHeadline": f"{author}: work",
                "author": {"user": {"login": author}},
            }
        ],
        "reviews": [
            {
                "fullDatabaseId": 100 + number,
                "state": "APPROVED",
                "submittedAt": f"{when}11:00:00Z",
                "author": {"__typename": "User", "login": reviewer},
            }
        ],
        "labels": [],
        "closingIssues": [],
        "firstComments": [{"createdAt": f"{when}10:00:00Z", "author": {"__typename": "User", "login": reviewer}}],
        "timelineItems": [],
    }
    return RawRow(str(number), str(repository), payload)


def issue(number: int) -> RawRow:
    person = {"accountId": "712020:8a1c-77", "displayName": "Ada Lovelace"}
    fields = {
        "project": {"id": "1", "key": "OPS"},
        "summary": "[~ada-l7] must look",
        "description": "asked ada@acme.example",
        "created": "2026-02-03T09:00:00.000+0000",
        "updated": "2026-02-03T10:00:00.000+0000",
        "status": {"id": "1", "name": "Open", "statusCategory": {"key": "new"}},
        "issuetype": {"id": "5", "name": "Incident"},
        "assignee": person,
        "reporter": {"accountId": "other", "displayName": "Grace Hopper"},
    }
    return RawRow(str(number), "1", {"id": str(number), "key": f"OPS-{number}", "fields": fields})


CHANGELOG = RawRow(
    "50:1",
    "1",
    {
        "id": "1",
        "issueId": "50",
        "author": {"accountId": "712020:8a1c-77", "displayName": "Ada Lovelace"},
        "created": "2026-02-03T10:00:00.000+0000",
        "items": [
            {"field": "assignee", "from": None, "fromString": None, "to": "712020:8a1c-77", "toString": "Ada Lovelace"}
        ],
    },
)


class Team:
    """A client in whose rows two people work."""

    def __init__(self, db: TestDatabase, slug: str) -> None:
        self.world = World(db, slug, minimum_sample=1)
        self.id, self.conn = self.world.client_id, self.world.conn
        self.repository = steady(self.world)
        self.pulls = [
            pull(number, self.repository, *(("ada-l7", "grace") if number % 2 else ("grace", "ada-l7")))
            for number in range(2, 8)
        ]
        assert self.load().written == 8
        bad = Reject("9", "1", '{"author": {"login": "ada-l7"}, "note": "Ada Lovelace"}', "ada-l7 is no number")
        load_pages(self.conn, self.id, self.world.jira, [Page("jira_issues", rejects=[bad])])
        self.read()
        self.world.compute(NOW)

    def load(self) -> LoadResult:
        one = load_pages(self.conn, self.id, self.world.github, [Page("github_pull_requests", self.pulls)])
        two = load_pages(
            self.conn,
            self.id,
            self.world.jira,
            [Page("jira_issues", [issue(50)]), Page("jira_changelogs", [CHANGELOG])],
        )
        return LoadResult(one.read + two.read, one.written + two.written, one.rejected + two.rejected)

    def read(self) -> None:
        run_stage(self.conn, self.id, "normalise")

    def numbers(self) -> list[Any]:
        """Everything that is published, and how many people there are where people are counted."""
        queries = (
            "select metric_type, grain, scope_type, scope_id, calculation_date, metric_value, p50, p90, numerator, denominator,"
            " sample_size, null_reason, tier from core.dora_metrics order by 1, 2, 3, 4, 5",
            "select author, count(*) from core.changes group by author order by 2, left(md5(author), 0)",
            "select count(distinct author_login), count(distinct author_login || state) from core.reviews",
            "select count(distinct actor_login) from core.pull_request_events",
        )
        with client_transaction(self.conn, self.id):
            found = [self.conn.execute(query.encode()).fetchall() for query in queries]
        found[1] = sorted(row[1] for row in found[1])
        return found


def named(superuser: Connection, db: TestDatabase, client_id: int) -> dict[str, int]:
    """The tables in which a name stands, in whatever form. Written apart from what is tested."""
    found = {}
    for table in (*tenant_relations(db), "audit.log"):
        row = superuser.execute(
            f"select count(*) from {table} t where client_id = %s and"  # type: ignore[arg-type]
            " exists (select from unnest(%s::text[]) n where position(n in lower(t::text)) > 0)",
            [client_id, list(NAMES)],
        ).fetchone()
        if row and row[0]:
            found[table] = row[0]
    return found


@pytest.fixture
def superuser(db: TestDatabase) -> Any:
    with db.cluster.primary.connect(database=db.name) as connection:
        connection.autocommit = True
        yield connection


def erased_from(superuser: Connection, team: Team, slug: str, person: Person = ADA) -> tuple[Found, Found]:
    """What was changed, and what is left."""
    erasure = erase.prepare(superuser, slug, team.id, person)
    changed, left = Found(), Found()
    erase.remember(superuser, erasure)
    erase.change_rows(superuser, erasure, changed)
    erase.rows_that_name(superuser, erasure, left)
    return changed, left


def test_no_name_is_left_or_comes_back_and_the_numbers_stay(db: TestDatabase, superuser: Connection) -> None:
    acme, other = Team(db, "acme"), Team(db, "other")
    for team in (acme, other):
        superuser.execute(
            "insert into core.users (client_id, email, full_name, password_hash, role)"
            " values (%s, %s, 'Ada Lovelace', '', 'executive')",
            [team.id, "ada@acme.example" if team is acme else "other@acme.example"],
        )
        superuser.execute("select audit.note('downloaded', 'ada@acme.example', '', %s, 'by Ada Lovelace')", [team.id])
    numbers, others, theirs = acme.numbers(), other.numbers(), named(superuser, db, other.id)
    before = named(superuser, db, acme.id)
    assert before.keys() >= {
        *("raw.github_pull_requests", "raw.jira_issues", "raw.jira_changelogs", "raw.rejects", "core.pull_requests"),
        *("core.reviews", "core.issues", "core.changes", "core.users", "audit.log", "core.pull_request_commits"),
    }
    counted = Found()
    erase.rows_that_name(superuser, erase.prepare(superuser, "acme", acme.id, ADA), counted)
    assert set(counted.places) == {f"pulse: {table}" for table in before if not _is_view(superuser, table)}
    assert named(superuser, db, acme.id) == before, "a dry run changes nothing"

    changed, left = erased_from(superuser, acme, "acme")
    assert changed.places["pulse: core.users"] == 1
    assert left.places == {}
    assert named(superuser, db, acme.id) == {}
    assert acme.numbers() == numbers
    assert (named(superuser, db, other.id), other.numbers()) == (theirs, others)

    # The next reading of the same records finds nothing new, and a reading of everything gives the same.
    assert acme.load().written == 0
    acme.read()
    with client_transaction(acme.conn, acme.id):
        acme.conn.execute("delete from core.transform_watermarks")
    steps = run_stage(acme.conn, acme.id, "normalise")
    assert [step.file for step in steps if step.rows and "watermark" not in step.file] == []
    acme.world.compute(NOW, full=True)
    assert acme.numbers() == numbers
    assert named(superuser, db, acme.id) == {}

    # What is new names the pseudonym, wherever it comes from.
    acme.pulls = [pull(8, acme.repository, "Ada-L7", "grace")]
    assert acme.load().written == 1
    bad = Reject("10", "1", '{"author": "Ada Lovelace"', "Ada Lovelace is no number")
    load_pages(acme.conn, acme.id, acme.world.jira, [Page("jira_issues", rejects=[bad])])
    acme.read()
    acme.world.compute(NOW)
    assert named(superuser, db, acme.id) == {}
    authors = superuser.execute("select distinct author_login from core.pull_requests where client_id = %s", [acme.id])
    assert len([row for row in authors if row[0].startswith("erased-")]) == 1, "one pseudonym for one login"
    again, left = erased_from(superuser, acme, "acme")
    assert {place for place in again.places if place != "pulse: audit.log"} == set()
    assert left.places == {}


def _is_view(superuser: Connection, table: str) -> bool:
    return superuser.execute("select relkind = 'v' from pg_class where oid = %s::regclass", [table]).fetchone() == (
        True,
    )


def test_an_erasure_that_is_killed_is_finished_by_the_next(
    db: TestDatabase, superuser: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = Team(db, "acme")
    numbers = acme.numbers()
    vacuumed = erase._changes
    tables = 0

    def killed(*arguments: Any) -> Any:
        nonlocal tables
        for found in vacuumed(*arguments):
            tables += 1
            if tables == 8:
                raise KeyboardInterrupt
            yield found

    with monkeypatch.context() as dying:
        dying.setattr(erase, "_changes", killed)
        with pytest.raises(KeyboardInterrupt):
            erased_from(superuser, acme, "acme")
    assert named(superuser, db, acme.id) != {}
    _, left = erased_from(superuser, acme, "acme")
    assert left.places == {}
    assert named(superuser, db, acme.id) == {}
    assert acme.numbers() == numbers


def test_a_login_that_is_an_ordinary_word_goes_only_where_people_stand(db: TestDatabase, superuser: Connection) -> None:
    acme = World(db, "acme")
    repository = acme.repository("shop")
    rows = [pull(3, repository, "shop", "grace")]
    load_pages(acme.conn, acme.client_id, acme.github, [Page("github_pull_requests", rows)])
    run_stage(acme.conn, acme.client_id, "normalise")
    erasure = erase.prepare(superuser, "acme", acme.client_id, Person(("shop",)))
    assert erasure.only_where_people_stand == ("shop",)
    erase.remember(superuser, erasure)
    erase.change_rows(superuser, erasure, Found())
    row = superuser.execute("select author_login, title, url, head_branch from core.pull_requests").fetchone()
    pseudonym = erasure.identities["shop"].pseudonym
    assert row == (pseudonym, f"Change 3 of @{pseudonym}", "https://github.com/acme/shop/pull/3", "shop/work-3")
    assert superuser.execute("select full_name from core.repositories").fetchone() == ("acme/shop",)


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("dora.bots", ["^ada"], "ada-l7 is automation by the setting dora.bots"),
        ("work.teams", {"core": ["ADA-L7"]}, "the setting work.teams names the person"),
        (
            "work.teams",
            {"core": ["Ada Lovelace"]},
            "the setting work.teams names the person: take it out of the Variable",
        ),
    ],
)
def test_who_stands_in_a_setting_is_refused(
    db: TestDatabase, superuser: Connection, setting: str, value: Any, said: str
) -> None:
    client_id = db.add_client("acme")
    db.set_setting(client_id, setting, value)
    with pytest.raises(CannotErase, match=said):
        erase.prepare(superuser, "acme", client_id, ADA)
    for person in (Person(("x",)), Person((), ("no address",)), Person((), (), ("!!",))):
        with pytest.raises(CannotErase, match="client acme: "):
            erase.prepare(superuser, "acme", client_id, person)


def test_an_id_that_names_the_person_changes_in_the_same_way(db: TestDatabase, superuser: Connection) -> None:
    """Else the next reading would take it for another record, and a census for one that is gone."""
    acme = World(db, "acme")
    row = RawRow("deploys:17-by/ada-l7", "deploys", {"stream": "deploys", "record": {"author": "ada-l7"}})

    def load(**page: Any) -> int:
        return load_pages(acme.conn, acme.client_id, acme.custom(), [Page("http_json_records", **page)]).written

    assert load(rows=[row]) == 1
    erasure = erase.prepare(superuser, "acme", acme.client_id, ADA)
    erase.remember(superuser, erasure)
    erase.change_rows(superuser, erasure, Found())
    assert load(rows=[row]) == 0
    stored = superuser.execute("select record_id from raw.http_json_records").fetchall()
    assert stored == [(f"deploys:17-by/{erasure.identities['ada-l7'].pseudonym}",)]
    assert load(gone=["deploys:17-by/ada-l7"]) == 1


SALT = "salt"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ada-l7", "P0"),
        ("(ADA-L7) and @ada-l7, ada-l7.", "(P0) and @P0, P0."),
        ("https://x.example/users/ada-l7/9", "https://x.example/users/P0/9"),
        ("ada-l7-fix xada-l7 ada-l7x x-ada-l7 ada-l7@else.example", None),
        ("mail ada@acme.example.", "mail P1."),
        ("x.ada@acme.example ada@acme.example.org ada+x@acme.example", None),
        ("by Ada  Lovelace's team", "by P2's team"),
        ("Ada\nLovelace", "P2"),
        ("Ada Lovelaceson, Ada, Lovelace", None),
        ("[~accountid:712020:8a1c-77]", "[~accountid:P3]"),
        ("", None),
    ],
)
def test_a_name_is_found_as_a_whole(text: str, shown: str | None) -> None:
    identities = [Identity(digest(SALT, one), words_of(one), True, f"P{place}") for place, one in enumerate(ADA.all)]
    assert Erased(SALT, identities).text(text) == (text if shown is None else shown)


def test_lines_of_logs_that_name_the_person_go(db: TestDatabase, superuser: Connection, tmp_path: Path) -> None:
    erasure = erase.prepare(superuser, "acme", db.add_client("acme"), ADA)
    own, foreign = (tmp_path / "airflow" / "logs" / f"dag_id={dag_id(slug)}" / "1.log" for slug in ("acme", "other"))
    for path in (own, foreign):
        path.parent.mkdir(parents=True)
        path.write_text("one\nby Ada Lovelace\nto ada@acme.example\nlast\n")
    found = {path: (kept, count) for path, kept, count in erase.lines_that_name(tmp_path, erasure, ["acme"])}
    assert found == {
        own: ([b"one\n", b"last\n"], 2),
        foreign: ([b"one\n", b"by Ada Lovelace\n", b"last\n"], 1),
    }
