"""A dashboard in a frame of a client's own site, with the SDK, in a real browser; and in a frame of somebody else's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from pulse import environ
from tests.browser.conftest import browser  # noqa: F401 — the fixture
from tests.support.embedding import HOST_PORT, GuestTokens, guests_of
from tests.support.node import installed
from tests.support.servers import free_port

pytestmark = pytest.mark.reads_stack
SDK = Path(__file__).resolve().parent / "host" / "package.json"
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Intranet</title>
<style>body {{ margin: 0; font-family: sans-serif; }} header {{ padding: 12px 24px; background: #222; color: #fff; }}
iframe {{ width: 100%; height: 1900px; border: 0; }}</style></head><body><header>TechCorp intranet</header>
<main id="dashboard"></main><script src="/sdk.js"></script><script>
supersetEmbeddedSdk.embedDashboard({{
  id: "{id}", supersetDomain: "{superset}", mountPoint: document.getElementById("dashboard"),
  fetchGuestToken: () => fetch("/pulse-token").then(answer => answer.text()),
  dashboardUiConfig: {{ hideTitle: true, filters: {{ expanded: false }} }},
  iframeSandboxExtras: ["allow-popups-to-escape-sandbox"],
}});
</script></body></html>"""


class Site(BaseHTTPRequestHandler):
    """The client's own application: a page, the SDK, and a route that hands tokens on to whoever may see the page."""

    def __init__(self, tokens: GuestTokens, *args: Any) -> None:
        self.tokens = tokens
        super().__init__(*args)

    def do_GET(self) -> None:
        if self.path == "/sdk.js":
            folder = installed(SDK) / "node_modules" / "@superset-ui" / "embedded-sdk" / "bundle"
            self._answer("text/javascript", (folder / "index.js").read_text())
        elif self.path == "/pulse-token":
            self._answer("text/plain", str(self.tokens.answer()["token"]))
        else:
            page = PAGE.format(id=self.tokens.answer()["id"], superset=self.tokens.superset)
            self._answer("text/html", page)

    def _answer(self, kind: str, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(port: int, tokens: GuestTokens) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", port), partial(Site, tokens))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.shutdown()
        server.server_close()


def opened(browser: Browser, address: str) -> Page:  # noqa: F811
    page = browser.new_context(viewport={"width": 1440, "height": 2000}).new_page()
    page.refusals = []  # type: ignore[attr-defined]
    page.messages = []  # type: ignore[attr-defined]
    page.on("response", lambda r: page.refusals.append((r.status, r.url)) if r.status >= 400 else None)  # type: ignore[attr-defined]
    page.on("console", lambda message: page.messages.append(message.text))  # type: ignore[attr-defined]
    page.goto(address)
    return page


def test_the_clients_own_site_shows_the_dashboard(browser: Browser, stack: dict[str, Any]) -> None:  # noqa: F811
    with serving(HOST_PORT, guests_of(stack)) as address:
        page = opened(browser, address)
        frame = page.frame_locator("iframe")
        expect(frame.locator(".pulse-tile.pulse-deployment_frequency")).to_be_visible(timeout=60_000)
        expect(frame.locator("canvas").first).to_be_visible(timeout=60_000)
        page.wait_for_timeout(3000)
        page.screenshot(path=environ.STATE.get() / "screenshots" / "embedded.png", full_page=True)
        text = frame.locator("body").inner_text()
        assert "Data error" not in text
        assert "Unexpected error" not in text
        assert "Acme" not in frame.locator("body").inner_html()
        # What a page saves of its filters, and its usage log, which comes without a token.
        refusals = [one for one in page.refusals if not one[1].split("?")[0].endswith(("/filter_state", "/log/"))]  # type: ignore[attr-defined]
        assert not refusals, refusals[:5]
        page.context.close()


def test_somebody_elses_site_shows_nothing(browser: Browser, stack: dict[str, Any]) -> None:  # noqa: F811
    """Even with a token: the browser refuses the frame."""
    with serving(free_port(), guests_of(stack)) as address:
        page = opened(browser, address)
        page.wait_for_timeout(3000)
        assert any("frame-ancestors" in message for message in page.messages), page.messages  # type: ignore[attr-defined]
        assert page.frame_locator("iframe").locator(".pulse-tile").count() == 0
        page.context.close()
