"""The brief as a page: drawn here, without a script, and with nothing from outside."""

from __future__ import annotations

import base64
import hashlib
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from pulse import languages
from pulse.languages import mark
from pulse_superset.branding import DARK_BACKGROUND, LIGHT_BACKGROUND, Brand, wordmark
from pulse_superset.brief import charts
from pulse_superset.brief.data import Brief, Row
from pulse_superset.colors import for_both_modes, readable_on

TEMPLATES = Path(__file__).resolve().parents[1] / "templates"
MOST_LOGO_CHARACTERS = 40_000  # a larger one would make the page heavier than all of its content
MISSING = {
    "below_minimum_sample": mark("Too few to give a value."),
    "no_working_days": mark("There was no working day in these 30 days."),
}
NO_DATA = mark("Nothing to measure in these 30 days.")
MARKS = {"better": "▲ ", "worse": "▼ "}  # beside the colour
LEGEND = mark(
    "Lines: complete weeks, the oldest on the left; the ring is the last week with a value. The band is the range of chance of a"
    " single week; where it has a step, a new level began. Hours have a logarithmic scale."
)
CARD = {"light": LIGHT_BACKGROUND, "dark": "#16181D"}

_templates = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, brand: Brand, mode: str, language: str, **values: Any) -> tuple[str, str]:
    """A page in a brand and a language, and the content security policy that it needs."""
    style = fill("pulse/brief.css", colors=_colors(brand), font=Markup(brand.font))
    logo = brand.logo
    if len(logo) > MOST_LOGO_CHARACTERS:
        logo = wordmark(brand.app_name, for_both_modes(brand.primary, LIGHT_BACKGROUND, DARK_BACKGROUND))
    shell = {"brand": brand, "home": brand.home, "logo": logo, "mode": mode, "style": Markup(style)}
    html = fill(template, **shell, **in_language(language), **values)
    return html, policy(style)


def fill(template: str, **values: Any) -> str:
    """A template, filled in; HTML is escaped."""
    return _templates.get_template(template).render(**values)


def in_language(language: str) -> dict[str, Any]:
    """What templates call for their texts."""
    return {"language": language, "say": partial(languages.say, language)}


def policy(style: str) -> str:
    """Nothing but the page's own style, by its hash, its logo, and the line that says whether it is the latest."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self' data:; frame-src 'self'; base-uri 'none';"
        " form-action 'self'; frame-ancestors 'self'"
    )


def brief_page(brief: Brief, brand: Brand, mode: str, version: str, *, chosen: bool) -> tuple[str, str]:
    """A client's brief of this version of the data; `chosen`: by staff, who may go back and choose another."""
    return render(
        "pulse/brief.html",
        brand,
        mode,
        brief.language,
        brief=brief,
        version=version,
        choice=f"&client={brief.slug}" if chosen else "",
        **helpers(brief),
    )


def helpers(brief: Brief) -> dict[str, Any]:
    """What the templates call."""
    return {
        "marks": MARKS,
        "month": partial(languages.month, brief.language),
        "label": partial(within_sentence, brief),
        "capital": capital,
        "missing": partial(missing, brief),
        "legend": brief.say(LEGEND),
        "chart": lambda number: Markup(weeks(brief, number)),
        "bar": lambda stage: Markup(charts.bar(stage["share"] or 0, emphasis=stage["is_constraint"])),
        "is_link": is_link,
    }


def capital(text: str | None) -> str:
    """A text of the views as a sentence."""
    return text[:1].upper() + text[1:].rstrip(".") + "." if text else ""


def within_sentence(brief: Brief, label: str) -> str:
    """A metric's label within a sentence; German nouns keep their capital."""
    return label.lower() if brief.language == languages.ENGLISH else label


def missing(brief: Brief, number: Row) -> str:
    """Why a number has no value."""
    return brief.say(MISSING.get(str(number["null_reason"]), NO_DATA))


def weeks(brief: Brief, number: Row) -> str:
    """The chart of a number."""
    return charts.weeks(
        brief.series(number["metric_type"]), alternative(brief, number), hours=number["unit"] == "hours"
    )


def alternative(brief: Brief, number: Row) -> str:
    """A chart in words, for those who do not see it."""
    weeks = [row for row in brief.series(number["metric_type"]) if row["value"] is not None]
    if not weeks:
        return ""
    values = [row["value"] for row in weeks]
    written = partial(languages.number, brief.language)
    return brief.say(
        "{metric} by week, {start} to {end}: first {first}, last {last}, lowest {lowest}, highest {highest} {unit}. {verdict}",
        metric=number["metric_label"],
        start=brief.day(weeks[0]["week"]),
        end=brief.day(weeks[-1]["week"]),
        first=written(values[0]),
        last=written(values[-1]),
        lowest=written(min(values)),
        highest=written(max(values)),
        unit=number["display_unit"],
        verdict=number["verdict_text"] or "",
    )


def is_link(url: str | None) -> bool:
    """Whether an upstream's address may be a link."""
    return bool(url) and str(url).startswith(("https://", "http://"))


def _colors(brand: Brand) -> dict[str, str]:
    return {
        "light": readable_on(brand.primary, CARD["light"], 3.0),
        "dark": readable_on(brand.primary_dark, CARD["dark"], 3.0),
        "link_light": readable_on(brand.primary, "#F3F5F9", 4.5),
        "link_dark": readable_on(brand.primary_dark, CARD["dark"], 4.5),
    }
