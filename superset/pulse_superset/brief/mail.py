"""The brief as a message: the same texts, in the little HTML that mail programs show. The charts are in the PDF with it."""

from __future__ import annotations

from textwrap import shorten
from typing import Any

from pulse import environ
from pulse_superset.branding import LIGHT_BACKGROUND, Brand
from pulse_superset.brief import page
from pulse_superset.brief.data import Brief
from pulse_superset.brief.pdf import file_name
from pulse_superset.colors import readable_on

STOP_LINK = "%STOP-LINK%"  # the sender puts the link to stop the report here


def message(brief: Brief, brand: Brand, *, scheduled: bool) -> dict[str, Any]:
    """Subject, HTML, plain text, the PDF's name, whether there is a number to tell of, and the events that are told once."""
    base = environ.SUPERSET_PUBLIC_URL.get().rstrip("/")
    values = {
        "brief": brief,
        "brand": brand,
        "base": base,
        "stop_link": STOP_LINK if scheduled else None,
        "link": readable_on(brand.primary, LIGHT_BACKGROUND, 4.5),
        **page.helpers(brief),
        **page.in_language(brief.language),
    }
    return {
        "subject": shorten(f"{brand.app_name}: {brief.sentence}", 150, placeholder=" …"),
        "html": page.fill("pulse/mail.html", **values),
        "text": page.fill("pulse/mail.txt", **values),
        "file_name": file_name(brief),
        "has_numbers": bool(brief.rows["numbers"]),
        "events": [[str(row["day"]), row["about"], row["sentence"]] for row in brief.rows["events"]],
    }
