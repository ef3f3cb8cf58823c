"""Brands: only what is safe and readable reaches a page."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.superset.conftest import InSuperset

SETTINGS = {
    "app_name": "TechCorp Delivery",
    "logo": "data:image/svg+xml;base64,PHN2Zy8+",
    "primary_color": "#0E7C86",
    "primary_color_dark": "#4CC2CC",
    "accent_color": "#F2A541",
    "client_name": "TechCorp",
}


def brand(in_superset: InSuperset, expression: str, **settings: Any) -> Any:
    code = f"import json\nfrom pulse_branding import *\nbrand = Brand.from_settings(json.loads({json.dumps(settings)!r}))\n"
    return in_superset(f"{code}result = {expression}")


def test_theme_holds_every_token_of_the_stock_theme_and_the_brand(in_superset: InSuperset) -> None:
    for dark in (False, True):
        missing, token, algorithm = brand(
            in_superset,
            f"[sorted(set((STOCK_DARK if {dark} else STOCK_LIGHT)['token']) - set(theme(brand, {dark})['token'])),"
            f" theme(brand, {dark})['token'], theme(brand, {dark})['algorithm']]",
            **SETTINGS,
        )
        assert missing == []
        assert token["brandAppName"] == "TechCorp Delivery"
        assert token["brandLogoUrl"] == SETTINGS["logo"]
        assert token["brandLogoHref"] == "/superset/dashboard/executive-overview/"
        assert token["colorPrimary"] == ("#4CC2CC" if dark else "#0E7C86")
        assert algorithm == ("dark" if dark else "default")


@pytest.mark.parametrize(
    "logo",
    [
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
    ],
)
def test_a_logo_that_is_no_image_of_ours_becomes_a_wordmark(in_superset: InSuperset, logo: Any) -> None:
    assert brand(in_superset, "brand.logo", **{**SETTINGS, "logo": logo}).startswith(
        "data:image/svg+xml;base64,PHN2ZyB4bWxucz"
    )


@pytest.mark.parametrize("color", ["red", "#12", "url(https://evil.example)", "#GGGGGG", "#000;}", None, 5])
def test_a_colour_that_is_no_hex_is_the_houses(in_superset: InSuperset, color: Any) -> None:
    assert brand(in_superset, "[brand.primary, HOUSE.primary]", primary_color=color) == ["#3452E1", "#3452E1"]


@pytest.mark.parametrize("primary", ["#FFFFFF", "#000000", "#FFFF00", "#0B5FFF", "#101010", "#7F7F7F"])
def test_charts_and_links_stay_readable_in_both_modes(in_superset: InSuperset, primary: str) -> None:
    charts, light, dark = brand(
        in_superset,
        "[[min(contrast(c, LIGHT_BACKGROUND), contrast(c, DARK_BACKGROUND)) for c in brand.chart_colors()],"
        " contrast(theme(brand, False)['token']['colorLink'], LIGHT_BACKGROUND),"
        " contrast(theme(brand, True)['token']['colorLink'], DARK_BACKGROUND)]",
        primary_color=primary,
    )
    assert min(charts) >= 2.95
    assert light >= 4.5
    assert dark >= 4.5


def test_without_a_request_it_is_the_house_brand(in_superset: InSuperset) -> None:
    same, name = in_superset(
        "from pulse_branding import *\nmade = Theme(dark=True)\nresult = [dict(made) == made(), made['token']['brandAppName']]"
    )
    assert same
    assert name == "Pulse"


def test_a_clients_name_cannot_break_out_of_the_wordmark(in_superset: InSuperset) -> None:
    markup = brand(
        in_superset,
        "__import__('base64').b64decode(brand.logo.split(',')[1]).decode()",
        app_name="</text><script>alert(1)</script>",
    )
    assert "<script" not in markup
