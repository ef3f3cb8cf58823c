"""What surrounds every page of Superset: its language, and what a phone takes for the name and icon of the home screen."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify
from flask import Response as FlaskResponse

from pulse_superset import language
from pulse_superset.branding import current_brand

MANIFEST = "/pulse/manifest.webmanifest"
ICON = "/pulse/icon.svg"
_SUPERSETS = b'<link rel="manifest" href="/static/assets/pwa-manifest.json'
# With the cookie: the name is that of the reader's company.
_OURS = f'<link rel="manifest" crossorigin="use-credentials" href="{MANIFEST}'.encode()
_LINE = (
    '<path d="M72 272h72l40-104 64 192 56-136 24 48h112" fill="none" stroke="#fff" stroke-width="30"'
    ' stroke-linecap="round" stroke-linejoin="round"/>'
)


def add_to(pages: Blueprint) -> None:
    """The manifest and its icon, for everyone: a visitor's are the house's."""
    pages.add_url_rule(MANIFEST, "manifest", _manifest)
    pages.add_url_rule(ICON, "icon", _icon)


def finish_page(response: Any) -> Any:
    """Say the page's language, and name our manifest in place of Superset's."""
    if response.mimetype == "text/html" and not response.is_streamed:
        page = response.get_data()
        if b"<html>" in page:
            response.set_data(
                page.replace(b"<html>", f'<html lang="{language.of_request()}">'.encode(), 1).replace(
                    _SUPERSETS, _OURS, 1
                )
            )
    return response


def _manifest() -> FlaskResponse:
    brand = current_brand()
    answer = jsonify(
        name=brand.app_name,
        short_name=brand.app_name[:12].strip(),
        start_url=brand.home,
        scope="/",
        display="standalone",
        background_color="#FFFFFF",
        theme_color=brand.primary,
        icons=[{"src": f"{ICON}?{brand.primary[1:]}", "sizes": "any", "type": "image/svg+xml"}],
    )
    answer.mimetype = "application/manifest+json"
    return _private(answer)


def _icon() -> FlaskResponse:
    background = f'<rect width="512" height="512" rx="112" fill="{current_brand().primary}"/>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512">{background}{_LINE}</svg>'
    return _private(FlaskResponse(svg, mimetype="image/svg+xml"))


def _private(answer: FlaskResponse) -> FlaskResponse:
    answer.headers["Cache-Control"] = "private, no-store"
    return answer
