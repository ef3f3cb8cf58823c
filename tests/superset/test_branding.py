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


def test_a_colour_that_is_asked_for_as_the_brands_is_the_viewers_own(in_superset: InSuperset) -> None:
    asked = load().defaults["metadata"]["label_colors"]
    ours = ["#0E7C86", "#F2A541", "#334455", "#112233"]
    code = f"from pulse_superset.painted import painted\nresult = painted({asked!r}, {ours!r})"
    painted = in_superset(code)
    assert list(painted) == list(asked)
    assert (painted["Complete weeks"], painted["New level"], painted["Target"]) == tuple(ours[:3])
    for label, color in painted.items():
        assert color in ours or color == asked[label]
        assert color.startswith("#"), f"{label}: Superset draws with hex colours"
    for label in ("Complete weeks", "Usual range"):
        assert painted[label] == painted[f"{label}__yhat_lower"] == painted[f"{label}__yhat_upper"]


def test_a_phone_slants_the_names_on_an_axis(in_superset: InSuperset) -> None:
    """Side by side they would lie on one another, or be left out."""
    (options,) = brands(in_superset, "theme(brand, False)['token']['echartsOptionsOverridesByChartType']", SETTINGS)
    for kind in ("waterfall", "echarts_timeseries_bar"):
        (narrow,) = options[kind]["media"]
        assert 366 <= narrow["query"]["maxWidth"] < 600, "a chart on a phone, and none on a wide screen"
        assert narrow["option"]["xAxis"]["axisLabel"]["rotate"] > 0


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


def test_a_client_chooses_the_colours_of_its_charts(in_superset: InSuperset) -> None:
    """Each can be seen in both modes, they differ, and there are always eight."""
    given = [
        ["#D02020", "#00A000"],
        ["#FFFFFF", "#FFFFFF", "#C00000"],
        ["red", 7, "#0B5FFF"],
        "#C00000",
        ["#101010"] * 20,
        [],
    ]
    measured = brands(
        in_superset,
        "[brand.chart_colors(), min(min(contrast(c, LIGHT_BACKGROUND), contrast(c, DARK_BACKGROUND))"
        " for c in brand.chart_colors())]",
        *({**SETTINGS, "chart_colors": colors} for colors in given),
    )
    for colors, (used, least) in zip(given, measured, strict=True):
        assert (len(used), len(set(used))) == (8, 8), colors
        assert least >= 2.95, colors
    assert measured[0][0][:2] == ["#D02020", "#00A000"]
    assert measured[2][0][0] == "#0B5FFF"
    assert measured[3][0] == measured[5][0], "without usable ones, those made from the two main colours"


PNG = "data:image/png;base64,iVBORw0KGgo="


def test_a_client_has_its_own_icon(in_superset: InSuperset) -> None:
    icons = [
        PNG,
        "data:image/svg+xml,%3Csvg xmlns='x'/%3E".replace(" ", "%20"),
        "data:text/html,x",
        "data:image/png;base64,iVBOR",
        "https://x.example/i.png",
        7,
    ]
    given = [{**SETTINGS, "icon": icon} for icon in icons]
    code = (
        f"import json\nfrom pulse_superset.branding import Brand\nfrom pulse_superset.shell import _digest, _drawn\n"
        f"brands = [Brand.from_settings(one) for one in json.loads({json.dumps(json.dumps(given))})]\n"
        "result = [[_drawn(brand)[0].decode('latin-1'), _drawn(brand)[1], _digest(brand)] for brand in brands]"
    )
    own, drawn, *others = in_superset(code)
    assert own[:2] == ["\x89PNG\r\n\x1a\n", "image/png"]
    assert drawn[:2] == ["<svg xmlns='x'/>", "image/svg+xml"]
    for text, kind, digest in others:
        assert (kind, digest) == ("image/svg+xml", others[0][2])
        assert "#0E7C86" in text, "the pulse line on the main colour"
    assert len({own[2], drawn[2], others[0][2]}) == 3, "a phone asks for another icon"
