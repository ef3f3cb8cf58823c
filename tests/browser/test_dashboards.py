"""The dashboards as an executive sees them: a real browser, wide and narrow, light and dark."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from pulse import environ
from tests.support.stack import database, login_of

FIVE = [
    "deployment_frequency",
    "lead_time_for_changes",
    "change_failure_rate",
    "failed_deployment_recovery_time",
    "deployment_rework_rate",
]
CHARTS_WITH_CANVAS = 6
EVIDENCE = {
    "Deployments": "Production deployments",
    "Changes": "Changes that reached production",
    "Incidents": "Incidents",
}


def open_dashboard(
    browser: Browser, stack: dict[str, Any], client: str, width: int, scheme: str, role: str = "executive"
) -> Page:
    login = login_of(stack, "superset", role, client)
    page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()  # type: ignore[arg-type]
    page.refusals = []  # type: ignore[attr-defined]
    page.on("response", lambda r: page.refusals.append((r.status, r.url)) if r.status >= 400 else None)  # type: ignore[attr-defined]
    page.goto(f"{stack['addresses']['superset']}/login/")
    page.fill("#username", login["username"])
    page.fill("#password", login["password"])
    page.press("#password", "Enter")
    page.wait_for_url("**/superset/dashboard/**", timeout=60_000)
    page.wait_for_selector(".pulse-tile", timeout=60_000)
    return page


def chart(page: Page, title: str) -> Locator:
    """A chart, found by its title, because charts are drawn in the order in which their data arrives."""
    return page.locator(f'[data-test-chart-name="{title}"]')


@pytest.mark.parametrize(
    ("client", "app", "width", "scheme"),
    [
        *(("techcorp", "TechCorp", width, scheme) for width in (1440, 390) for scheme in ("light", "dark")),
        ("acme", "Acme", 1440, "dark"),
        ("acme", "Acme", 390, "light"),
    ],
)
def test_executive_overview(
    browser: Browser, stack: dict[str, Any], client: str, app: str, width: int, scheme: str
) -> None:
    page = open_dashboard(browser, stack, client, width, scheme)
    # Charts below the fold are drawn only when they come into view.
    page.set_viewport_size({"width": width, "height": 2200 if width > 700 else 4400})
    page.wait_for_function(f"document.querySelectorAll('canvas').length >= {CHARTS_WITH_CANVAS}", timeout=60_000)
    expect(page.locator(".pulse-row").first).to_be_visible(timeout=30_000)
    folder = environ.STATE.get() / "screenshots"
    page.wait_for_timeout(1500)
    page.screenshot(path=folder / f"{client}-{width}-{scheme}.png", full_page=True)

    tiles = {metric: page.locator(f".pulse-tile.pulse-{metric}") for metric in FIVE}
    for metric, tile in tiles.items():
        expect(tile, metric).to_have_count(1)
    assert re.search(r"\d", tiles["deployment_frequency"].locator(".pulse-tile-value").inner_text())
    assert re.search(r"\d", tiles["lead_time_for_changes"].locator(".pulse-tile-value").inner_text())
    text = page.inner_text("body")
    assert "Data error" not in text
    assert "Unexpected error" not in text
    refusals = [one for one in page.refusals if "/superset/log/" not in one[1]]  # type: ignore[attr-defined]
    assert not refusals, refusals[:3]

    logo = page.locator("header img, .navbar-brand img, a.navbar-brand img, nav img").first
    assert (logo.get_attribute("src") or "").startswith("data:image/"), "the client's own logo"
    other = "Acme" if app == "TechCorp" else "TechCorp"
    assert app in (logo.get_attribute("alt") or "")
    assert other not in page.content()

    assert page.evaluate("document.documentElement.scrollWidth") <= width + 8, "the page scrolls sideways"
    background = page.evaluate(
        "(() => { const m = getComputedStyle(document.querySelector('.dashboard')).backgroundColor.match(/\\d+/g)"
        " || ['255','255','255']; return m.slice(0, 3).map(Number).reduce((a, b) => a + b) / 3 })()"
    )
    dark = page.evaluate("getComputedStyle(document.querySelector('.pulse-tile-value')).color")
    brightness = sum(int(part) for part in re.findall(r"\d+", dark)[:3]) / 3
    assert (brightness > 128) == (scheme == "dark"), (background, dark)
    page.context.close()


def test_evidence_is_one_click_away(browser: Browser, stack: dict[str, Any]) -> None:
    page = open_dashboard(browser, stack, "techcorp", 1440, "light")
    expect(page.locator('a[href="/pulse/brief/"]')).to_have_text("Brief")
    page.locator(".pulse-tile.pulse-lead_time_for_changes a", has_text="See the rows").click()
    page.wait_for_url("**/superset/dashboard/evidence/**", timeout=60_000)
    expect(page.get_by_role("tab", name="Changes")).to_have_attribute("aria-selected", "true", timeout=30_000)
    for tab, title in EVIDENCE.items():
        page.get_by_role("tab", name=tab).click()
        # Superset's table has a hidden copy, by which it measures its columns.
        expect(chart(page, title).locator("tbody tr a:visible").first).to_be_visible(timeout=30_000)
        # Not below the tab that was left: it keeps its width, and no height.
        expect(chart(page, title).locator("tbody tr a:visible").first).to_be_in_viewport()
    links = page.locator("tbody tr a").evaluate_all("links => links.map(a => a.href)")
    assert any("/techcorp/" in link for link in links)
    assert not any("/acme/" in link for link in links)
    page.context.close()


def test_on_a_phone_every_card_and_chart_is_as_wide_as_the_screen(browser: Browser, stack: dict[str, Any]) -> None:
    page = open_dashboard(browser, stack, "techcorp", 390, "light")
    page.set_viewport_size({"width": 390, "height": 5200})
    page.wait_for_function(f"document.querySelectorAll('canvas').length >= {CHARTS_WITH_CANVAS}", timeout=60_000)
    boxes = page.evaluate(
        "[...document.querySelectorAll('.resizable-container, .resizable-container canvas, .pulse-tile')]"
        ".map(e => { const b = e.getBoundingClientRect(); return [e.tagName + '.' + e.className, b.left, b.right] })"
    )
    assert len(boxes) >= 2 * CHARTS_WITH_CANVAS + len(FIVE)
    for name, left, right in boxes:
        assert left >= 0, name
        assert right <= 390, name
        assert right - left >= 300, f"{name} is {right - left} wide"
    page.context.close()


def test_a_users_own_mode_is_the_default_and_the_switch_wins(browser: Browser, stack: dict[str, Any]) -> None:
    """users.theme_mode is dark on a machine set to light; what the user then picks in the browser stays."""
    email = login_of(stack, "superset", "executive", "acme")["username"]
    change = "update core.users set theme_mode = %s where email = %s"
    with database(stack, "pulse_admin") as conn:
        conn.execute(change, ("dark", email))
    try:
        page = open_dashboard(browser, stack, "acme", 1440, "light")
        assert tile_brightness(page) > 128, "text on dark is light"
        page.evaluate("localStorage.setItem('superset-theme-mode', 'default')")
        page.reload()
        page.wait_for_selector(".pulse-tile", timeout=60_000)
        assert tile_brightness(page) < 128
        page.context.close()
    finally:
        with database(stack, "pulse_admin") as conn:
            conn.execute(change, ("system", email))


def tile_brightness(page: Page) -> float:
    """Mean of red, green and blue of a tile's number, 0 to 255."""
    color = page.evaluate("getComputedStyle(document.querySelector('.pulse-tile-value')).color")
    return sum(int(part) for part in re.findall(r"\d+", color)[:3]) / 3


# What each of the other dashboards shows of a demo client that has both sources: its tiles, and a table with links out.
OTHERS = {
    "AI in delivery": ("The newest changes with a sign of AI", "/pull/"),
    "Work": ("The oldest items in progress", "/browse/"),
    "Flow": ("The oldest open pull requests", "/pull/"),
    "Investment": ("Failed releases and what each cost", "http"),
}


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_the_other_dashboards_are_reached_from_the_header(
    browser: Browser, stack: dict[str, Any], width: int, scheme: str
) -> None:
    page = open_dashboard(browser, stack, "techcorp", width, scheme)
    for name, (table, address) in OTHERS.items():
        link = page.locator("#main-menu ul.main-nav a", has_text=name)
        link.focus()
        page.keyboard.press("Enter")
        slug = name.lower().replace(" ", "-")
        page.wait_for_url(f"**/superset/dashboard/{slug}/**", timeout=60_000)
        page.wait_for_selector(".pulse-tile", timeout=60_000)
        current = page.locator("#main-menu ul.main-nav a[aria-current=page]")
        expect(current).to_have_text([name])
        page.set_viewport_size({"width": width, "height": 3000 if width > 700 else 6000})
        expect(chart(page, table).locator(f'tbody a[href*="{address}"]').first).to_be_visible(timeout=60_000)
        expect(page.locator(".pulse-tile")).to_have_count(5)
        text = page.inner_text("body")
        assert "Data error" not in text
        assert "Unexpected error" not in text
        assert page.evaluate("document.documentElement.scrollWidth") <= width + 8, f"{name} scrolls sideways"
        page.screenshot(path=environ.STATE.get() / "screenshots" / f"{slug}-{width}-{scheme}.png", full_page=True)
        page.set_viewport_size({"width": width, "height": 900})
    # Superset's page tries to log that it is left, and to store the colours of labels; viewers may do neither. Whoever goes
    # through the dashboards in a minute may be asked to wait (503): the page asks again by itself.
    left = ("/superset/log/", "/colors?")
    refusals = [
        (status, url)
        for status, url in page.refusals  # type: ignore[attr-defined]
        if status != 503 and not any(part in url for part in left)
    ]
    assert not refusals, refusals[:3]
    page.context.close()


def test_a_service_can_be_picked(browser: Browser, stack: dict[str, Any]) -> None:
    page = open_dashboard(browser, stack, "techcorp", 1440, "light")
    caption = page.locator(".pulse-caption").first
    expect(caption).to_contain_text("The whole company")
    page.get_by_role("combobox").nth(0).click()
    option = page.locator(".ant-select-item-option").first
    expect(option).to_be_visible(timeout=15_000)
    assert not page.locator(".ant-select-item-option", has_text="NULL").count()
    wanted = option.inner_text()
    option.click()
    page.get_by_role("button", name="Apply").click()
    expect(caption).to_contain_text(wanted, timeout=30_000)
    expect(page.locator(".pulse-tile")).to_have_count(len(FIVE))

    # The service goes with the reader to the rows.
    page.locator(".pulse-tile.pulse-deployment_frequency a", has_text="See the rows").click()
    page.wait_for_url("**/superset/dashboard/evidence/**", timeout=60_000)
    services = chart(page, "Production deployments").locator("tbody tr td:nth-child(2):visible")
    expect(services.first).to_have_text(wanted, timeout=30_000)
    expect(services.filter(has_not_text=wanted)).to_have_count(0)
    page.context.close()
