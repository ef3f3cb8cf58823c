"""Who sees which logo, name and colours. Superset asks for its two themes at every page load.

A client's user gets the client's brand (core.system_settings `brand.*`); staff and the login page get the house brand.
Whatever the settings contain, only hex colours are used, and only logos that are data: URIs of images or paths of this
server.
"""

from __future__ import annotations

import base64
import copy
import logging
import re
import threading
import time
from dataclasses import dataclass
from typing import Any, TypeGuard
from urllib.parse import unquote_to_bytes

from flask import g, has_request_context, request
from superset.config import THEME_DARK as STOCK_DARK
from superset.config import THEME_DEFAULT as STOCK_LIGHT

from pulse.languages import separators_of
from pulse_superset import accounts, formats, language, navigation
from pulse_superset.colors import contrast, for_both_modes, parse_hex, readable_on, turned
from pulse_superset.landing import landing_path
from pulse_superset.language import say

CACHE_SECONDS = 3  # an open page asks every 20 and shows a new brand within 30
BRIEF = "/pulse/brief/"
PEOPLE = "/pulse/people/"
LIGHT_BACKGROUND = "#FFFFFF"
DARK_BACKGROUND = "#141414"
MAX_LOGO_CHARACTERS = 400_000
# From Superset's own files, or the reader's machine: no page asks another host.
FONTS = {
    "sans": "Inter, Helvetica, Arial, sans-serif",
    "system": 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif',
    "serif": 'Georgia, Cambria, "Times New Roman", serif',
}

_LOGO = re.compile(r"data:image/(png|jpeg|gif|webp|svg\+xml)(;[a-z0-9=-]+)*,[A-Za-z0-9+/=%._~!*'();:@&$,?#\[\]-]+")
_PATH = re.compile(r"/[A-Za-z0-9_][A-Za-z0-9_./-]*")

logger = logging.getLogger(__name__)


def _svg(markup: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(markup.encode()).decode()


def wordmark(name: str, color: str) -> str:
    """A logo for a client without one: a pulse line and the client's name, readable in both modes."""
    text = name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")[:40]
    return _svg(
        f'<svg xmlns="http://www.w3.org/2000/svg" height="32" width="{44 + 12 * len(name[:40])}">'
        f'<rect width="32" height="32" rx="9" fill="{color}"/>'
        '<path d="M4 17h6l3-8 5 15 4-10 2 3h4" fill="none" stroke="#fff" stroke-width="2.4"'
        ' stroke-linecap="round" stroke-linejoin="round"/>'
        f'<text x="42" y="23" font-family="Inter,Helvetica,Arial,sans-serif" font-size="19" font-weight="700"'
        f' fill="{color}">{text}</text></svg>'
    )


@dataclass(frozen=True)
class Brand:
    """A brand whose parts are all checked."""

    app_name: str
    logo: str
    primary: str
    primary_dark: str
    accent: str
    home: str = "/"
    has_wordmark: bool = True
    font: str = FONTS["sans"]
    separators: str = ""  # of thousands, and of decimals; empty: those of the reader's language
    palette: tuple[str, ...] = ()
    icon: tuple[bytes, str] | None = None  # content and type; None: a pulse line on the main colour

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> Brand:
        """The brand from a client's settings; the house brand's parts replace what is missing or unusable."""
        primary = parse_hex(settings.get("primary_color")) or HOUSE.primary
        dark = parse_hex(settings.get("primary_color_dark")) or readable_on(primary, DARK_BACKGROUND, 4.5)
        name = settings.get("app_name") or settings.get("client_name") or HOUSE.app_name
        logo = settings.get("logo")
        return cls(
            app_name=str(name)[:80],
            logo=logo
            if is_logo(logo)
            else wordmark(str(name), for_both_modes(primary, LIGHT_BACKGROUND, DARK_BACKGROUND)),
            primary=primary,
            primary_dark=dark,
            accent=parse_hex(settings.get("accent_color")) or turned(primary, 150),
            home=landing_path(),
            has_wordmark=not is_logo(logo),
            font=FONTS.get(str(settings.get("font")), FONTS["sans"]),
            separators=separators_of(settings.get("number_format")),
            palette=_palette(settings.get("chart_colors")),
            icon=image_of(settings.get("icon")),
        )

    def chart_colors(self) -> list[str]:
        """Eight colours that start with the brand's, are visible in both modes and differ from one another."""
        seeds = [
            *(self.palette or (self.primary, self.accent)),
            *(turned(self.primary, degrees) for degrees in (45, -60, 90, 180, -30, 120)),
            *(turned(HOUSE.primary, degrees) for degrees in range(0, 360, 45)),
        ]
        visible = dict.fromkeys(for_both_modes(seed, LIGHT_BACKGROUND, DARK_BACKGROUND) for seed in seeds)
        return list(visible)[:8]


HOUSE = Brand(
    app_name="Pulse",
    logo=wordmark("Pulse", "#4C6FFF"),
    primary="#3452E1",
    primary_dark="#8EA2FF",
    accent="#0F9F7F",
)


def is_logo(value: object) -> TypeGuard[str]:
    """Whether a setting may be a logo: an embedded image or a path on this server, never another host."""
    return (
        isinstance(value, str)
        and len(value) <= MAX_LOGO_CHARACTERS
        and bool(_LOGO.fullmatch(value) or _PATH.fullmatch(value))
    )


def image_of(value: object) -> tuple[bytes, str] | None:
    """Content and type of a setting that is an embedded SVG or PNG; None for anything else."""
    if not is_logo(value) or not value.startswith(("data:image/svg+xml", "data:image/png")):
        return None
    head, _, body = value.removeprefix("data:").partition(",")
    kind, *how = head.split(";")
    try:
        return base64.b64decode(body) if "base64" in how else unquote_to_bytes(body), kind
    except ValueError:
        return None


def _palette(value: object) -> tuple[str, ...]:
    return tuple(color for color in map(parse_hex, value[:8]) if color) if isinstance(value, list) else ()


class _BrandCache:
    """Brands by client, cached for a moment; while no database answers, the last known one."""

    def __init__(self) -> None:
        self._brands: dict[int, tuple[float, Brand]] = {}
        self._lock = threading.Lock()

    def get(self, client_id: int) -> Brand:
        with self._lock:
            known = self._brands.get(client_id)
        if known and time.monotonic() - known[0] < CACHE_SECONDS:
            return known[1]
        try:
            brand = Brand.from_settings(accounts.brand_settings(client_id))
        except accounts.DatabaseAway as away:
            logger.warning("client %s: the brand cannot be read: %s", client_id, away)
            return known[1] if known else HOUSE
        with self._lock:
            self._brands[client_id] = (time.monotonic(), brand)
        return brand


_cache = _BrandCache()


def brand_of(client_id: int) -> Brand:
    """A client's brand."""
    return _cache.get(client_id)


def visitors_brand() -> Brand:
    """The brand of the sign-in page: a client's at its own host name, or with `?client=` where the client wants that."""
    if not has_request_context():
        return HOUSE
    host, slug = request.host.partition(":")[0].lower(), request.args.get("client", "")
    try:
        client_id = accounts.sign_in_client(host, slug) if "\0" not in host + slug else None
    except accounts.DatabaseAway:
        return HOUSE
    return HOUSE if client_id is None else brand_of(client_id)


def current_brand() -> Brand:
    """The brand for whoever loads the page; the house brand for staff, for visitors and outside a request."""
    if has_request_context() and "pulse_embedded_client" in g:
        return brand_of(g.pulse_embedded_client)
    user = getattr(g, "user", None) if has_request_context() else None
    if user is None or getattr(user, "is_anonymous", True):
        return HOUSE  # Superset keeps what it makes of this for all visitors
    from superset.extensions import security_manager

    clients = security_manager.clients_of_user(user)
    return brand_of(clients.pop()) if len(clients) == 1 else HOUSE


def _spinner(color: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 24" fill="none" stroke="{color}" stroke-width="2.5"'
        ' stroke-linecap="round" stroke-linejoin="round"><path d="M2 13h10l4-10 8 19 6-13 3 4h13">'
        '<animate attributeName="stroke-dasharray" values="0 90;90 0" dur="1.4s" repeatCount="indefinite"/></path></svg>'
    )


def _axes(color: str, text: str) -> dict[str, Any]:
    """Parts of ECharts that do not follow the theme by themselves."""
    return {
        "splitLine": {"lineStyle": {"color": color}},
        "axisLine": {"lineStyle": {"color": color}},
        "axisLabel": {"color": text},
    }


_PHONE = {"maxWidth": 480}  # pixels of a chart; half a row of a wide screen has more
_TIME_SERIES = ("echarts_timeseries_line", "echarts_timeseries_bar", "echarts_timeseries", "mixed_timeseries")
# The patterns of the series in turn, so that bars differ by more than their colour.
_DECALS: list[dict[str, Any]] = [
    {"symbol": "none"},
    {
        "symbol": "rect",
        "dashArrayX": [1, 0],
        "dashArrayY": [2, 5],
        "rotation": -0.785,
        "color": "rgba(255,255,255,0.55)",
    },
    {
        "symbol": "circle",
        "dashArrayX": [[8, 8], [0, 8, 8, 0]],
        "dashArrayY": [6, 0],
        "symbolSize": 0.7,
        "color": "rgba(255,255,255,0.45)",
    },
    {"symbol": "rect", "dashArrayX": [1, 0], "dashArrayY": [4, 3], "color": "rgba(255,255,255,0.3)"},
]


def _merged(options: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    return {**options, **{name: {**options.get(name, {}), **part} for name, part in more.items()}}


def _chart_options(axes: dict[str, Any], kind: str) -> dict[str, Any]:
    """What Pulse changes in every chart of a kind: axes that follow the theme, a legend without buttons, patterned bars."""
    # Small, so that two lines are enough (legendMargin in superset/assets/defaults.yaml).
    legend = {"selector": False, "itemGap": 8, "itemWidth": 14, "itemHeight": 9, "textStyle": {"fontSize": 11}}
    if kind == "waterfall":
        return {
            "xAxis": _merged(
                axes,
                {
                    "axisLabel": {
                        "rotate": 0,
                        "interval": 0,
                        "width": 68,
                        "overflow": "break",
                        "fontSize": 11,
                        "lineHeight": 13,
                    }
                },
            ),
            # On a phone the names of the steps would lie on one another.
            "media": [{"query": _PHONE, "option": {"xAxis": {"axisLabel": {"rotate": 55, "width": 92}}}}],
        }
    options: dict[str, Any] = {"xAxis": axes, "yAxis": axes, "legend": legend}
    if kind == "echarts_timeseries_bar":
        # On a phone, names side by side are left out; slanted ones all find a place.
        options["media"] = [{"query": _PHONE, "option": {"xAxis": {"axisLabel": {"rotate": 60}}}}]
        options["aria"] = {"enabled": True, "decal": {"show": True, "decals": _DECALS}}
    return options


def theme(brand: Brand, dark: bool) -> dict[str, Any]:
    """Superset's full theme, with every stock token, so that no part of the app lacks one."""
    result: dict[str, Any] = copy.deepcopy(STOCK_DARK if dark else STOCK_LIGHT)
    background = DARK_BACKGROUND if dark else LIGHT_BACKGROUND
    primary = readable_on(brand.primary_dark if dark else brand.primary, background, 3.0)
    axes = _axes("#303030", "#A6A6A6") if dark else _axes("#E8EAF0", "#5B6472")
    result["token"] |= {
        "brandAppName": brand.app_name,
        "brandLogoAlt": brand.app_name,
        "brandLogoUrl": brand.logo,
        "brandLogoHref": brand.home,
        "brandLogoHeight": "28px",
        "brandLogoMargin": "14px 0",
        "brandIconMaxWidth": 260,
        "fontFamily": brand.font,
        "brandSpinnerSvg": _spinner(primary),
        "colorPrimary": primary,
        "colorLink": readable_on(primary, background, 4.5),
        "colorInfo": primary,
        "colorSuccess": "#3FB37F" if dark else "#1B7F53",
        "colorWarning": "#E0A92E" if dark else "#9A6700",
        # Superset's own grey of small texts is too faint to read (WCAG 2.2, 1.4.3).
        "colorTextDescription": "rgba(255,255,255,0.72)" if dark else "rgba(0,0,0,0.66)",
        "colorError": "#FF7875" if dark else "#C62F3B",
        # Text on buttons is white, unless the brand's colour is too light for that.
        "colorTextLightSolid": "#FFFFFF" if contrast(primary, "#FFFFFF") >= 3 else "#10131A",
        "colorBgLayout": "#0C0D10" if dark else "#F3F5F9",
        "borderRadius": 8,
        "echartsOptionsOverridesByChartType": {
            kind: _chart_options(axes, kind) for kind in (*_TIME_SERIES, "waterfall")
        },
    }
    return result


class Theme(dict[str, Any]):
    """THEME_DEFAULT or THEME_DARK: the house theme as a dict for Superset's start, and the viewer's theme when called."""

    def __init__(self, dark: bool) -> None:
        super().__init__(theme(HOUSE, dark))
        self._dark = dark

    def __call__(self) -> dict[str, Any]:
        return theme(current_brand(), self._dark)


def _of_admins(known: Any) -> list[dict[str, Any]]:
    """The page that only a client_admin has."""
    try:
        admin = known.clients and accounts.is_client_admin(known.user.username)
    except accounts.DatabaseAway:
        return []
    return [navigation.entry(say("People"), PEOPLE)] if admin else []


def _said(label: str, url: str, **_: Any) -> dict[str, Any]:
    """A link of the menu in the reader's language."""
    return navigation.entry(say(label), url)


def bootstrap_overrides(data: dict[str, Any]) -> dict[str, Any]:
    """COMMON_BOOTSTRAP_OVERRIDES_FUNC: chart colours in the viewer's brand (scheme `pulse`), the menu, and no version."""
    scheme = {
        "id": "pulse",
        "description": "",
        "label": say("Brand"),
        "isDefault": True,
        "colors": current_brand().chart_colors(),
    }
    menu = dict(data.get("menu_data") or {})
    menu["navbar_right"] = {
        **menu.get("navbar_right", {}),
        "version_string": None,
        "version_sha": None,
        "show_language_picker": False,
    }
    known = g.get("pulse_identity") if has_request_context() else None
    if known is not None:
        own = [_said(**link) for link in navigation.links()] if known.clients else menu.get("menu") or []
        menu["menu"] = [*own[:1], navigation.entry(say("Brief"), BRIEF), *own[1:], *_of_admins(known)]
    return {
        "extra_categorical_color_schemes": [scheme],
        "menu_data": menu,
        **formats.of_charts(language.of_request(), current_brand().separators),
    }
