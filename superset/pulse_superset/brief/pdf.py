"""The brief as PDF: vector text, tagged (PDF/UA-1), made by Typst without a browser."""

from __future__ import annotations

import base64
import json
import logging
import re
from datetime import timedelta
from functools import cache
from typing import Any
from urllib.parse import unquote_to_bytes

import typst

from pulse import environ, languages
from pulse_superset.branding import LIGHT_BACKGROUND, Brand
from pulse_superset.brief import charts, page
from pulse_superset.brief.data import Brief, Row
from pulse_superset.colors import readable_on

PAPERS = {"a4": "a4", "letter": "us-letter"}
logger = logging.getLogger(__name__)


def render(brief: Brief, brand: Brand, paper: str) -> bytes:
    """The PDF on this paper, a key of PAPERS."""
    content = _content(brief, brand, paper)
    # A character that no font has is no PDF/UA, and a logo may be one that Typst cannot read: better without than not at all.
    for attempt, standards in ((content, ("ua-1",)), (content, ()), ({**content, "logo": None}, ())):
        try:
            return _compile(attempt, standards)
        except typst.TypstError as error:
            logger.warning("client %s: the brief's PDF: %s", brief.client_id, error)
    raise RuntimeError(f"client {brief.client_id}: no PDF could be made of the brief")


@cache
def _texts() -> tuple[str, ...]:
    """The texts of the template."""
    return tuple(re.findall(r'say\("([^"]+)"\)', (page.TEMPLATES / "pulse" / "brief.typ").read_text(encoding="utf-8")))


def file_name(brief: Brief) -> str:
    """What the PDF is called when it is saved."""
    return f"brief-{brief.slug}-{brief.until - timedelta(days=1) if brief.until else 'empty'}.pdf"


def _compile(content: dict[str, Any], standards: tuple[str, ...]) -> bytes:
    result: bytes = typst.compile(
        (page.TEMPLATES / "pulse" / "brief.typ").read_bytes(),
        format="pdf",
        root=page.TEMPLATES / "pulse",
        font_paths=_fonts(),
        sys_inputs={"brief": json.dumps(content)},
        pdf_standards=list(standards),
    )
    return result


@cache
def _fonts() -> typst.Fonts:
    """Typst's own fonts first, the machine's for what these do not have."""
    return typst.Fonts(include_system_fonts=True, include_embedded_fonts=True)


def _content(brief: Brief, brand: Brand, paper: str) -> dict[str, Any]:
    constraint, cost, corrections, say = brief.constraint, brief.cost, brief.rows["corrections"], brief.say
    return {
        "paper": PAPERS[paper],
        "language": brief.language,
        "texts": {text: say(text) for text in _texts()},
        "title": brief.title,
        "app_name": brand.app_name,
        "logo": _logo(brand),
        "color": readable_on(brand.primary, LIGHT_BACKGROUND, 3.0),
        "period": brief.period,
        "footer": f"{brief.name}, {brief.last_day}" if brief.last_day else brief.name,
        "sentence": brief.sentence,
        "moves": [{"sentence": move["sentence"], "links": _links(brief, move)} for move in brief.moves],
        "numbers": [_number(brief, number) for number in brief.rows["numbers"]],
        "legend": say(page.LEGEND),
        "constraint": constraint["sentence"]
        if constraint
        else say("Nothing was delivered in the last four complete weeks, so there is no lead time to look into."),
        "stages": [
            {
                "label": stage["stage_label"],
                "mean": stage["mean_text"],
                "share": stage["share_text"] or "—",
                "bar": charts.bar(stage["share"] or 0, emphasis=stage["is_constraint"]),
            }
            for stage in (brief.rows["stages"] if constraint else [])
        ],
        "risks": [_risks(brief, kind) for kind in brief.risks()],
        "plans": [
            [f"{plan['kind_text']} {plan['scope_name']}", plan["progress_text"], plan["answer"]]
            for plan in brief.rows["plans"]
        ],
        "record": "".join(f"{row['record_text']}." for row in brief.rows["record"]),
        "effort": [[row["question"], row["answer"], row["note"]] for row in brief.rows["effort"]],
        "effort_period": "".join(f"{page.capital(row['period_text'])}." for row in brief.rows["effort"][:1]),
        "cost": cost["sentence"] if cost else say("Nothing was released in these 30 days, so nothing could fail."),
        "trust": [[check["label"], _result(brief, check)] for check in brief.rows["trust"]],
        "freshness": [
            [
                source["integration"],
                brief.moment(source["last_success_at"]) if source["last_success_at"] else say("not read yet"),
                brief.moment(source["newest_record_at"]),
            ]
            for source in brief.rows["freshness"]
        ],
        "corrected": say(
            "The latest {shown} of {all} months' numbers that are no longer what they were.",
            shown=len(corrections),
            all=corrections[0]["of_all"],
        )
        if corrections
        else "",
        "corrections": [
            [
                row["metric_label"],
                languages.month(brief.language, row["calculation_date"]),
                row["old_text"],
                row["new_text"],
                row["cause"],
            ]
            for row in corrections
        ],
    }


def _links(brief: Brief, move: Row) -> list[dict[str, str]]:
    """The ways to the rows of a change and of each part that its sentence names; none for sources that are not read."""
    if not move["rows_path"]:
        return []
    base = environ.SUPERSET_PUBLIC_URL.get().rstrip("/")
    whole = brief.say("Rows of the change in {metric}", metric=page.within_sentence(brief, move["metric_label"]))
    found = [(whole, move["rows_path"]), *((part["part_text"], part["rows_path"]) for part in brief.parts(move))]
    return [{"text": text, "url": f"{base}{path}"} for text, path in found]


def _number(brief: Brief, number: Row) -> dict[str, str]:
    missing = number["null_reason"] is not None
    before = ""
    if number["previous_value"] is not None:
        before = brief.say("; {value} in the 30 days before", value=number["previous_text"])
    return {
        "label": number["metric_label"],
        "value": brief.say("No value") if missing else number["display_text"],
        "note": page.missing(brief, number) if missing else number["sample_text"] + before,
        "verdict": number["verdict"] or "",
        "verdict_text": page.MARKS.get(number["verdict"], "") + page.capital(number["verdict_text"]),
        "target": number["target_status_text"] or brief.say("No target is set."),
        "chart": page.weeks(brief, number),
        "alternative": page.alternative(brief, number),
    }


def _risks(brief: Brief, kind: list[Row]) -> dict[str, Any]:
    first = kind[0]
    return {
        "label": f"{first['kind_label']}: {first['of_this_kind']}",
        "usual": page.capital(first["usual_text"]),
        "head": brief.say("The {n} oldest", n=len(kind)) if first["of_this_kind"] > len(kind) else brief.say("What"),
        "rows": [
            {
                "title": row["title"],
                "url": row["url"] if page.is_link(row["url"]) else None,
                "service": row["service_name"] or "—",
                "age": row["age_text"],
            }
            for row in kind
        ],
    }


def _result(brief: Brief, check: Row) -> str:
    if check["null_reason"]:
        return brief.say("nothing to measure yet")
    told = f": {check['message'] or brief.say('needs a look')}" if check["status"] in ("fail", "warn") else ""
    return f"{check['display_text']}{told}"


def _logo(brand: Brand) -> list[int] | None:
    """The bytes of the client's own logo; None for a wordmark, whose name is written anyway, or a path."""
    head, _, body = brand.logo.partition(",")
    if brand.has_wordmark or not re.match(r"data:image/(png|jpeg|gif|webp|svg\+xml)", head):
        return None
    try:
        return list(base64.b64decode(body) if ";base64" in head else unquote_to_bytes(body))
    except ValueError:
        return None
