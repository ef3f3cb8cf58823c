"""The brief says what the views say, and nothing else: as a page, as PDF and as mail, for one client only."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

from pypdf import PdfReader

from tests.sql.test_sentences import ship
from tests.superset.conftest import InSuperset
from tests.support.database import TestDatabase
from tests.support.world import World

HOSTILE = '<script>alert("x")</script> & #table(1) *bold* $x$'
HEADINGS = [
    "What moved",
    "The five numbers",
    "The one constraint now",
    "At risk",
    "When the plans land",
    "Where the effort went",
    "What failure cost",
    "How far to trust it",
    "Corrected since last month",
]
DRAW = """
import base64
from pulse_superset import accounts
from pulse_superset.branding import Brand
from pulse_superset.brief import data, mail, page, pdf
brief = data.read({client}, {language!r})
brand = Brand.from_settings(accounts.brand_settings({client}))
html, policy = page.brief_page(brief, brand, "dark", "1:1", chosen=False)
result = {{
    "html": html,
    "policy": policy,
    "pdf": {{paper: base64.b64encode(pdf.render(brief, brand, paper)).decode() for paper in pdf.PAPERS}},
    "mail": mail.message(brief, brand, scheduled=True),
}}
"""


class Page(HTMLParser):
    """What a reader of the page meets: texts, elements, headings."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.headings: list[tuple[str, str]] = []
        self._heading: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._heading = tag if tag in ("h1", "h2", "h3") else self._heading

    def handle_endtag(self, tag: str) -> None:
        self._heading = None if tag == self._heading else self._heading

    def handle_data(self, data: str) -> None:
        if self._heading:
            self.headings.append((self._heading, data))
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


# What is the same in both languages: names, titles and words that German has taken over.
SAME = {
    "shop",
    "github",
    "jira",
    "Service",
    "Review",
    "Jira",
    "GitHub",
    "PDF (A4)",
    "PDF (Letter)",
    "Dashboards",
    HOSTILE,
}


def ours(page: Page) -> set[str]:
    """The texts of a page that have a word in them."""
    titles = re.compile(r"(OPS-\d+|shop#\d+) ")
    return {
        text.strip()
        for text in page.texts
        if re.search("[A-Za-z]{3}", text) and not titles.search(text) and "{" not in text
    }


def draw(in_superset: InSuperset, world: World, language: str = "en") -> dict[str, Any]:
    world.db.wait_replica()
    drawn = in_superset(
        DRAW.format(client=world.client_id, language=language), **world.db.conn_env(), PULSE_DATABASE=world.db.name
    )
    drawn["pdf"] = {paper: PdfReader(io.BytesIO(base64.b64decode(made))) for paper, made in drawn["pdf"].items()}
    return dict(drawn)


def fifteen_weeks(world: World) -> None:
    """Releases on every working day up to yesterday, one failure a fortnight ago, and things that are left open."""
    now = datetime.now(UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    shop = world.repository("shop")
    for day in range(105, 0, -1):
        when = today - timedelta(days=day) + timedelta(hours=9)
        if when.weekday() < 5:
            world.change(shop, f"shop-{day}", when, first_review_at=when - timedelta(hours=2))
            world.deploy(shop, f"shop-{day}", when + timedelta(hours=1))
    world.incident(today - timedelta(days=14, hours=-11), today - timedelta(days=14, hours=-16))
    world.incident(now - timedelta(days=3))
    for number, (title, days) in enumerate([(HOSTILE, 40), ("Opened a moment ago", 0)]):
        opened = now - timedelta(days=days)
        identity = world.new_id()
        world.insert(
            "core.github_pull_requests",
            integration_id=world.github,
            id=identity,
            repository_id=shop,
            number=number + 1,
            title=title,
            url="javascript:alert(1)",
            state="open",
            author_login="ada",
            base_branch="main",
            head_branch=f"open-{number}",
            created_at=opened,
            updated_at=opened,
        )
    world.db.set_setting(world.client_id, "targets.deployment_frequency", {"value": 9, "by": "2999-12-31"})
    world.compute(now)


def test_the_brief_says_what_the_views_say(db: TestDatabase, in_superset: InSuperset) -> None:
    other = World(db, "rival", minimum_sample=1)
    other.incident(datetime.now(UTC) - timedelta(days=9))
    other.compute(datetime.now(UTC))
    world = World(db, minimum_sample=1)
    fifteen_weeks(world)
    drawn = draw(in_superset, world)
    page = Page(drawn["html"])

    said = [
        *world.rows(
            "select display_text, sample_text from report.kpi_current where sort_order <= 5 and null_reason is null"
        ),
        *world.rows("select target_status_text from report.kpi_current where target_status_text is not null"),
        *world.rows("select sentence from report.metric_sentences where metric_type = 'all'"),
        *world.rows("select sentence from report.brief_stages where is_constraint"),
        *world.rows("select sentence from report.brief_costs"),
        *world.rows("select stage_label, mean_text from report.brief_stages"),
        *world.rows("select kind_label, title from report.risks"),
    ]
    read = {paper: " ".join(leaf.extract_text() for leaf in pdf.pages) for paper, pdf in drawn["pdf"].items()}
    assert len(said) > 12
    for text in (text for row in said for text in row):
        assert text in page.text
        for paper, content in read.items():
            # A line may end anywhere, and some fonts draw two letters as one.
            assert "".join(text.split()) in "".join(content.split()), paper
    assert "of 9.0" not in page.text
    assert "Target 9.0 per day by 31 Dec 2999" in page.text
    assert "1 of " in page.text, "the failed release"
    for word in ("rival", "Rival", "Opened a moment ago"):
        assert word not in drawn["html"]
        assert not any(word in content for content in read.values())

    # The page: light, without a script, and readable without seeing it.
    assert len(drawn["html"].encode()) < 100_000
    assert "<script" not in drawn["html"]
    assert not any("javascript:" in str(link.get("href")) for link in page.all("a"))
    assert [text for level, text in page.headings if level == "h2"] == HEADINGS
    assert [text for level, text in page.headings if level == "h1"] == ["Acme: the brief"]
    assert page.all("html") == [{"lang": "en", "data-mode": "dark"}]
    assert {"header", "nav", "main", "footer"} <= {tag for tag, _ in page.elements}
    assert all(image.get("alt") for image in page.all("img"))
    assert all(cell.get("scope") in ("row", "col") for cell in page.all("th"))
    charts = page.all("svg")
    assert sum(bool(chart.get("aria-label")) for chart in charts) >= 3
    assert all(chart.get("aria-label") or chart.get("aria-hidden") == "true" for chart in charts)
    assert not any("style" in attributes for _, attributes in page.elements)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in page.elements:
        assert tag == "iframe" or str(attributes.get("src", "data:")).startswith("data:"), attributes
    (line,) = page.all("iframe")
    assert line == {"src": "/pulse/brief/news/?version=1%3A1", "title": "Are these the latest numbers?"}
    style = drawn["html"].partition("<style>")[2].partition("</style>")[0]
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in drawn["policy"]
    assert "unsafe" not in drawn["policy"]
    assert "default-src 'none'" in drawn["policy"]

    # The PDF: tagged, with page numbers, on the paper that was asked for.
    for paper, size in (("a4", (595, 842)), ("letter", (612, 792))):
        pdf = drawn["pdf"][paper]
        root = pdf.root_object
        assert (round(pdf.pages[0].mediabox.width), round(pdf.pages[0].mediabox.height)) == size
        assert root["/MarkInfo"]["/Marked"]
        assert "/StructTreeRoot" in root
        assert root["/Lang"] == "en"
        assert pdf.metadata is not None
        assert pdf.metadata.title == "Acme: the brief"
        assert f"Page1of{len(pdf.pages)}" in "".join(read[paper].split())

    # In German: nothing is left in English but names, in the page, the mail and the PDF.
    german = draw(in_superset, world, "de")
    theirs = Page(german["html"])
    assert theirs.all("html") == [{"lang": "de", "data-mode": "dark"}]
    assert {text for text in map(str.strip, theirs.texts) if text in ours(page)} <= SAME
    assert "Ziel 9,0 pro Tag bis zum 31. Dez. 2999" in theirs.text
    assert [text for level, text in theirs.headings if level == "h1"] == ["Acme: der Kurzbericht"]
    content = "".join("".join(leaf.extract_text() for leaf in german["pdf"]["a4"].pages).split())
    for level, text in theirs.headings:
        assert level == "h1" or "".join(text.split()) in content
    assert f"Seite1von{len(german['pdf']['a4'].pages)}" in content
    assert german["pdf"]["a4"].root_object["/Lang"] == "de"
    mail = Page(german["mail"]["html"])
    assert {text for text in map(str.strip, mail.texts) if text in ours(Page(drawn["mail"]["html"]))} <= SAME
    assert german["mail"]["subject"].startswith("Acme: ")
    assert german["mail"]["subject"] != drawn["mail"]["subject"]
    assert [event[:2] for event in german["mail"]["events"]] == [event[:2] for event in drawn["mail"]["events"]]

    # The mail: the same sentence, escaped, and how to stop it.
    (sentence,) = world.rows("select sentence from report.metric_sentences where metric_type = 'all'")[0]
    message = drawn["mail"]
    assert message["has_numbers"]
    assert message["subject"].startswith(f"Acme: {sentence[:60]}")
    assert "<script" not in message["html"]
    for body in (message["html"], message["text"]):
        assert "%STOP-LINK%" in body
        assert sentence in body


def test_each_part_of_a_sentence_leads_to_its_rows(db: TestDatabase, in_superset: InSuperset) -> None:
    """On the page, in the mail (both bodies) and in the PDF, where the address has to be whole."""
    world = World(db, minimum_sample=1)
    shop, billing = world.repository("shop"), world.repository("billing & more")
    ship(world, range(13), {shop: 3, billing: 3})
    world.compute(ship(world, range(13, 18), {shop: 3, billing: 0}))
    told = world.rows(
        "select clause_text, rows_path from report.metric_clauses where rows_path is not null order by clause"
    )
    ways, parts = {way for _, way in told}, [text for text, way in told if "&service=" in way]
    assert len(ways) == 2
    assert parts == ["billing & more (\N{MINUS SIGN}2.1 per day)"]
    drawn = draw(in_superset, world)
    base = "http://127.0.0.1:8088"
    links = {str(link.get("href")) for link in Page(drawn["html"]).all("a")}
    assert ways <= links
    mail = Page(drawn["mail"]["html"])
    assert {base + way for way in ways} <= {str(link.get("href")) for link in mail.all("a")}
    assert parts[0] in mail.texts
    lines = drawn["mail"]["text"].splitlines()
    assert f"- {parts[0]}: {base}{told[1][1]}" in lines
    assert any(line.endswith(f": {base}{told[0][1]}") for line in lines)
    for paper, pdf in drawn["pdf"].items():
        notes = [note.get_object() for leaf in pdf.pages for note in leaf.get("/Annots", [])]
        assert {base + way for way in ways} <= {note["/A"].get("/URI") for note in notes if "/A" in note}, paper
        content = "".join("".join(leaf.extract_text() for leaf in pdf.pages).split())
        assert "".join(parts[0].split()) in content, paper


def test_a_client_without_numbers_is_told_so(db: TestDatabase, in_superset: InSuperset) -> None:
    drawn = draw(in_superset, World(db))
    page = Page(drawn["html"])
    assert [text for level, text in page.headings if level == "h2"] == HEADINGS
    for text in (
        "No numbers yet",
        "No number was published yet.",
        "Nothing was delivered in the last four complete weeks",
        "Nothing: no incident is open",
        "No epic, version or sprint",
        "Where the effort went",
        "Nothing was released",
        "The checks are made with the first complete run.",
        "not read yet",
        "no month's number",
    ):
        assert text in page.text
    assert not drawn["mail"]["has_numbers"]
    assert "No numbers yet" in drawn["pdf"]["a4"].pages[0].extract_text()


def test_a_charts_words_are_escaped_and_gaps_are_kept(in_superset: InSuperset) -> None:
    row = {"lower": None, "centre": None, "upper": None}
    chart, one = in_superset(
        "from pulse_superset.brief import charts\n"
        f"rows = [{{**{row!r}, 'value': value}} for value in (1.0, None, 2.0)]\n"
        "result = [charts.weeks(rows, 'a<b>&\"c'), charts.weeks(rows[:2], 'x')]"
    )
    assert 'aria-label="a&lt;b&gt;&amp;&quot;c"' in chart
    assert chart.count('class="line"') == 2, "no line across a week without a value"
    assert one == "", "one week is no line"
