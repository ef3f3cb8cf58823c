"""Brands: only what is safe and readable reaches a page."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from pulse.superset.assets import dashboard_slug, load
from tests.superset.conftest import InSuperset

SETTINGS = {
    "app_name": "TechCorp Delivery",
    "logo": "data:image/svg+xml;base64,PHN2Zy8+",
    "primary_color": "#0E7C86",
    "primary_color_dark": "#4CC2CC",
    "accent_color": "#F2A541",
    "client_name": "TechCorp",
}


def brands(in_superset: InSuperset, expression: str, *settings: dict[str, Any]) -> list[Any]:
    """The expression's value for the brand of each of these settings."""
    code = f"import json\nfrom pulse_superset.branding import *\nevery = json.loads({json.dumps(settings)!r})\n"
    return list(in_superset(f"{code}result = [{expression} for brand in map(Brand.from_settings, every)]"))


def test_the_theme_has_every_stock_token_and_the_brand(in_superset: InSuperset) -> None:
    (modes,) = brands(
        in_superset,
        "[[sorted(set((STOCK_DARK if dark else STOCK_LIGHT)['token']) - set(theme(brand, dark)['token'])),"
        " theme(brand, dark)] for dark in (False, True)]",
        SETTINGS,
    )
    for (missing, theme), primary, algorithm in zip(modes, ["#0E7C86", "#4CC2CC"], ["default", "dark"], strict=True):
        assert missing == []
        assert theme["token"]["brandAppName"] == "TechCorp Delivery"
        assert theme["token"]["brandLogoUrl"] == SETTINGS["logo"]
        assert theme["token"]["brandLogoHref"] == "/superset/dashboard/executive-overview/"
        assert theme["token"]["fontFamily"].startswith("Inter")
        assert theme["token"]["colorPrimary"] == primary
        assert theme["algorithm"] == algorithm


NO_LOGOS: list[Any] = [
    "https://evil.example/pixel.png",
    "//evil.example/pixel.png",
    "javascript:alert(1)",
    "data:text/html;base64,PHNjcmlwdD4=",
    'data:image/png;base64,AAAA" onerror="alert(1)',
    "/static/../../x y",
    "",
    None,
    7,
    "data:image/png;base64," + "A" * 500_000,
]


def test_an_unsafe_logo_becomes_a_wordmark(in_superset: InSuperset, tmp_path: Path) -> None:
    given = tmp_path / "logos.json"  # too long for a command line
    given.write_text(json.dumps([{**SETTINGS, "logo": logo} for logo in NO_LOGOS]))
    logos = in_superset(
        "import json\nfrom pulse_superset.branding import *\n"
        f"result = [Brand.from_settings(s).logo for s in json.load(open({str(given)!r}))]"
    )
    for logo, used in zip(NO_LOGOS, logos, strict=True):
        assert used.startswith("data:image/svg+xml;base64,"), logo
        assert used != logo
        assert b"TechCorp Delivery" in base64.b64decode(used.split(",")[1])


def test_an_invalid_colour_is_replaced_by_the_house_brands(in_superset: InSuperset) -> None:
    colors = ["red", "#12", "url(https://evil.example)", "#GGGGGG", "#000;}", None, 5]
    used = brands(in_superset, "[brand.primary, HOUSE.primary]", *({"primary_color": color} for color in colors))
    assert all(primary == house for primary, house in used), list(zip(colors, used, strict=True))


def test_a_brand_colours_no_verdict(in_superset: InSuperset) -> None:
    """A red brand is no alarm, a green one no praise."""
    names = "('colorSuccess', 'colorWarning', 'colorError')"
    told = brands(
        in_superset,
        f"[[theme(brand, dark)['token'][name] for name in {names}] for dark in (False, True)]",
        {"primary_color": "#C00000", "accent_color": "#FF0000"},
        {"primary_color": "#00A000", "font": "comic", "number_format": "1;2"},
    )
    assert told[0] == told[1]
    for colors in told[0]:
        assert len(set(colors)) == 3
        assert not {"#C00000", "#FF0000", "#00A000"} & set(colors)


def test_charts_and_links_stay_readable_in_both_modes(in_superset: InSuperset) -> None:
    primaries = ["#FFFFFF", "#000000", "#FFFF00", "#0B5FFF", "#101010", "#7F7F7F"]
    measured = brands(
        in_superset,
        "[min(min(contrast(c, LIGHT_BACKGROUND), contrast(c, DARK_BACKGROUND)) for c in brand.chart_colors()),"
        " contrast(theme(brand, False)['token']['colorLink'], LIGHT_BACKGROUND),"
        " contrast(theme(brand, True)['token']['colorLink'], DARK_BACKGROUND)]",
        *({"primary_color": primary} for primary in primaries),
    )
    for primary, (charts, light, dark) in zip(primaries, measured, strict=True):
        assert charts >= 2.95, primary
        assert light >= 4.5, primary
        assert dark >= 4.5, primary


def test_without_a_request_the_house_brand_applies(in_superset: InSuperset) -> None:
    same, name = in_superset(
        "from pulse_superset.branding import *\nmade = Theme(dark=True)\n"
        "result = [dict(made) == made(), made['token']['brandAppName']]"
    )
    assert same
    assert name == "Pulse"


def test_a_clients_name_cannot_break_out_of_the_wordmark(in_superset: InSuperset) -> None:
    (logo,) = brands(in_superset, "brand.logo", {"app_name": "</text><script>alert(1)</script>"})
    assert b"<script" not in base64.b64decode(logo.split(",")[1])


def test_the_header_links_every_dashboard_where_people_start_first(superset_modules: None) -> None:
    from pulse_superset import navigation
    from pulse_superset.landing import landing_path

    links = navigation.links()
    assert links[0]["url"] == landing_path()
    assert sorted(link["url"] for link in links) == sorted(
        f"/superset/dashboard/{dashboard_slug(name)}/"
        for name, spec in load().dashboards.items()
        if not spec.get("staff")
    )
    places = [link["label"] for link in links if link["label"] in ("Work", "Flow", "Investment")]
    assert places == ["Work", "Flow", "Investment"]
