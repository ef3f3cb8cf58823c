"""axe-core over the pages: no finding on the brief, and elsewhere nothing serious but what Superset's own parts bring."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.support.node import installed
from tests.support.stack import login_of

pytestmark = pytest.mark.reads_stack
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# Superset names a chart's box, its filters and its badges in ways that the standard does not know.
SUPERSETS = {"aria-prohibited-attr", "label-content-name-mismatch"}


@pytest.fixture(scope="module")
def axe() -> str:
    folder = installed(Path(__file__).parent / "axe" / "package.json")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_can_be_read_by_everyone(
    browser: Browser,
    stack: dict[str, Any],
    axe: str,
    scheme: str,
) -> None:
    login, base = login_of(stack, "superset", "executive", "techcorp"), stack["addresses"]["superset"]
    context = browser.new_context(viewport={"width": 1440, "height": 2400}, color_scheme=scheme, bypass_csp=True)  # type: ignore[arg-type]
    page = context.new_page()

    def findings() -> dict[str, list[str]]:
        page.add_script_tag(content=axe)
        found = page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
        return {
            f"{one['impact']} {one['id']}": [node["html"][:200] for node in one["nodes"]]
            for one in found["violations"]
            if one["id"] not in SUPERSETS
        }

    page.goto(f"{base}/login/")
    page.wait_for_selector("#username")
    assert not findings(), "the sign-in page"
    page.fill("#username", login["username"])
    page.fill("#password", login["password"])
    page.press("#password", "Enter")
    page.wait_for_selector(".pulse-tile", timeout=60_000)
    page.wait_for_function("document.querySelectorAll('canvas').length >= 6", timeout=60_000)
    page.wait_for_selector(".pulse-row")
    assert not findings(), "the overview"
    assert page.get_attribute("html", "lang") == "en"
    assert page.locator("h1").inner_text() == "Executive overview"
    page.goto(f"{base}/pulse/brief/")
    page.add_script_tag(content=axe)
    assert page.evaluate("axe.run(document)")["violations"] == [], "the brief, by every rule"
    context.close()


def test_the_keyboard_skips_the_menu_and_a_phone_keeps_the_clients_name(
    browser: Browser,
    stack: dict[str, Any],
) -> None:
    login, base = login_of(stack, "superset", "executive", "techcorp"), stack["addresses"]["superset"]
    context = browser.new_context()
    page = context.new_page()
    assert context.request.get(f"{base}/pulse/manifest.webmanifest").json()["name"] == "Pulse"
    page.goto(f"{base}/login/")
    page.fill("#username", login["username"])
    page.fill("#password", login["password"])
    page.press("#password", "Enter")
    page.wait_for_selector(".pulse-tile", timeout=60_000)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.querySelectorAll('.pulse-tile').length") == 5
    manifest = context.request.get(f"{base}{page.get_attribute('link[rel=manifest]', 'href').split('?')[0]}").json()  # type: ignore[union-attr]
    assert manifest["name"] == "TechCorp Delivery"
    assert "Superset" not in str(manifest)
    context.close()
