"""The brief in a real browser, wide and narrow, light and dark; and how an open one says that there are newer numbers."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from pulse import environ
from tests.browser.test_dashboards import FIVE
from tests.support.stack import login_of, raise_version


def open_brief(browser: Browser, stack: dict[str, Any], width: int, scheme: str) -> Page:
    login = login_of(stack, "superset", "executive", "techcorp")
    page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()  # type: ignore[arg-type]
    page.goto(f"{stack['addresses']['superset']}/login/?next=/pulse/brief/")
    page.fill("#username", login["username"])
    page.fill("#password", login["password"])
    page.press("#password", "Enter")
    page.wait_for_url("**/pulse/brief/", timeout=60_000)
    return page


# Texts of less than 4.5:1 against the nearest background (WCAG 1.4.3).
CONTRAST = """() => {
  const parts = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = text => { const [r, g, b] = parts(text).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = node => { for (let e = node; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if ((parts(c)[3] ?? 1) > 0) return c; } return 'rgb(255, 255, 255)'; };
  return [...document.querySelectorAll('main *, .brand a, footer p')].filter(e => [...e.childNodes].some(
    n => n.nodeType === 3 && n.textContent.trim())).map(e => { const [a, b] = [light(getComputedStyle(e).color),
    light(behind(e))].sort((x, y) => y - x); return [e.textContent.trim().slice(0, 30), (a + 0.05) / (b + 0.05)]; })
    .filter(([, ratio]) => ratio < 4.5);
}"""


@pytest.mark.parametrize(("width", "scheme"), [(1440, "dark"), (390, "light")])
def test_the_brief_is_light_and_readable(browser: Browser, stack: dict[str, Any], width: int, scheme: str) -> None:
    page = open_brief(browser, stack, width, scheme)
    asked: set[str] = set()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: asked.add(request.url))
    page.reload()
    page.screenshot(path=environ.STATE.get() / "screenshots" / f"brief-{width}-{scheme}.png", full_page=True)
    icon = page.url.replace("/pulse/brief/", "/pulse/icon.svg")
    news = page.frames[1].url
    assert news.startswith(f"{page.url}news/?version=")
    assert {url for url in asked if not url.startswith("data:")} - {icon} == {page.url, news}
    assert not errors, "the content security policy lets the page's own style through"
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page scrolls sideways"
    expect(page.get_by_role("heading", level=1)).to_have_text("TechCorp: the brief")
    expect(page.locator(".numbers > li")).to_have_count(len(FIVE))
    for landmark in ("banner", "main", "contentinfo"):
        expect(page.get_by_role(landmark)).to_have_count(1)  # type: ignore[arg-type]
    unreadable = page.evaluate(CONTRAST)
    assert not unreadable, unreadable
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.context.close()


def test_an_open_brief_says_within_half_a_minute_that_there_are_newer_numbers(
    browser: Browser, stack: dict[str, Any]
) -> None:
    page = open_brief(browser, stack, 1440, "light")
    line = page.frame_locator("iframe")
    expect(line.get_by_text("These are the latest numbers.")).to_be_visible()
    page.evaluate("document.body.dataset.open = 'still'")
    raise_version(stack, "acme")
    raise_version(stack, "techcorp")
    link = line.get_by_role("link", name="Show them")
    expect(link).to_be_visible(timeout=30_000)
    assert page.evaluate("document.body.dataset.open") == "still", "the page was not loaded again"
    page.screenshot(path=environ.STATE.get() / "screenshots" / "brief-newer.png")
    link.click()
    expect(line.get_by_text("These are the latest numbers.")).to_be_visible(timeout=30_000)
    assert page.evaluate("document.body.dataset.open") is None
    page.context.clear_cookies()
    page.frames[1].goto(page.frames[1].url)
    expect(line.get_by_role("link", name="Sign in")).to_be_visible()
    page.context.close()
