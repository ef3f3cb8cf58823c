"""What surrounds every page of Superset: its language, and what a phone takes for the name and icon of the home screen."""

from __future__ import annotations

import hashlib
import html
import json
import re
from functools import lru_cache
from typing import Any

from flask import Blueprint, g, jsonify, request
from flask import Response as FlaskResponse

from pulse_superset import language
from pulse_superset.branding import HOUSE, Brand, current_brand, theme, visitors_brand

MANIFEST = "/pulse/manifest.webmanifest"
ICON = "/pulse/icon.svg"
CHART_DATA = "/api/v1/chart/data"
BRAND_HEADER = "X-Pulse-Brand"  # read by templates/head_custom_extra.html
_SUPERSETS = b'<link rel="manifest" href="/static/assets/pwa-manifest.json'
# With the cookie: the name is that of the reader's company.
_OURS = f'<link rel="manifest" crossorigin="use-credentials" href="{MANIFEST}'.encode()
_TOLD = re.compile(rb'data-bootstrap="([^"]*)"')
_TITLE = re.compile(rb"<title>[^<]*</title>")
_LINE = (
    '<path d="M72 272h72l40-104 64 192 56-136 24 48h112" fill="none" stroke="#fff" stroke-width="30"'
    ' stroke-linecap="round" stroke-linejoin="round"/>'
)


def add_to(pages: Blueprint) -> None:
    """The manifest and its icon, for everyone: a visitor's are the house's. And a page's brand is that of now."""
    pages.add_url_rule(MANIFEST, "manifest", _manifest)
    pages.add_url_rule(ICON, "icon", _icon)
    _tell_by_brand()


def finish_page(response: Any) -> Any:
    """Say the page's language, name our manifest in place of Superset's, and give the sign-in page its client's brand."""
    if response.mimetype == "text/html" and not response.is_streamed:
        page = response.get_data()
        if b"<html>" in page:
            if request.path == "/login/" and (brand := visitors_brand()) is not HOUSE:
                page = _in_brand(page, brand)
            response.set_data(
                page.replace(b"<html>", f'<html lang="{language.of_request()}">'.encode(), 1).replace(
                    _SUPERSETS, _OURS, 1
                )
            )
    return response


def say_brand(response: Any) -> Any:
    """With the numbers of a chart: what pages are drawn in now, so that an open one notices when that has changed."""
    if request.path == CHART_DATA and response.status_code == 200:
        response.headers[BRAND_HEADER] = _drawn_in(language.of_request(), current_brand())
    return response


def _tell_by_brand() -> None:
    """Superset keeps for a minute what it tells a person's pages, their brand included: keep it by brand."""
    from superset.views.base import cached_common_bootstrap_data as kept

    keyed = kept.make_cache_key
    kept.make_cache_key = lambda *args, **kwargs: (
        f"{keyed(*args, **kwargs)} {_drawn_in(language.of_request(), current_brand())}"
    )


@lru_cache(1024)
def _drawn_in(words: str, brand: Brand) -> str:
    return hashlib.sha256(f"{words} {brand!r}".encode()).hexdigest()[:12]


def _in_brand(page: bytes, brand: Brand) -> bytes:
    """The sign-in page in a brand. Superset keeps what it tells visitors for all of them, so it is put in here."""
    found = _TOLD.search(page)
    if found is None:
        return page
    told = json.loads(html.unescape(found[1].decode()))
    told["common"]["theme"] |= {"default": theme(brand, False), "dark": theme(brand, True)}
    page = page[: found.start(1)] + html.escape(json.dumps(told)).encode() + page[found.end(1) :]
    title = f"<title>{html.escape(brand.app_name)}</title>".encode()
    return _TITLE.sub(lambda _: title, page, count=1)


def _brand() -> Brand:
    brand = current_brand()
    return visitors_brand() if brand is HOUSE else brand


def _manifest() -> FlaskResponse:
    brand = _brand()
    answer = jsonify(
        name=brand.app_name,
        short_name=brand.app_name[:12].strip(),
        start_url=brand.home,
        scope="/",
        display="standalone",
        background_color="#FFFFFF",
        theme_color=brand.primary,
        icons=[{"src": f"{ICON}?{_digest(brand)}", "sizes": "any", "type": _drawn(brand)[1]}],
    )
    answer.mimetype = "application/manifest+json"
    return _private(answer)


def _icon() -> FlaskResponse:
    content, kind = _drawn(_brand())
    # Whoever opens the address sees a picture: nothing in it runs or asks for anything.
    g.pulse_policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"
    return _private(FlaskResponse(content, mimetype=kind))


def _drawn(brand: Brand) -> tuple[bytes, str]:
    """The icon of a brand, and what kind of image it is."""
    if brand.icon:
        return brand.icon
    background = f'<rect width="512" height="512" rx="112" fill="{brand.primary}"/>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512">{background}{_LINE}</svg>'
    return svg.encode(), "image/svg+xml"


def _digest(brand: Brand) -> str:
    """Another one with another icon, so that a phone asks for it again."""
    return hashlib.sha256(_drawn(brand)[0]).hexdigest()[:12]


def _private(answer: FlaskResponse) -> FlaskResponse:
    answer.headers["Cache-Control"] = "private, no-store"
    return answer
