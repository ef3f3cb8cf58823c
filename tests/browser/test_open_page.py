"""A page that stays open: it shows a new brand by itself, and nothing any more to who may no longer see it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from pulse import environ
from tests.browser.test_dashboards import open_dashboard
from tests.support.airflow_api import AirflowApi
from tests.support.stack import login_of


@pytest.mark.stops_stack  # it edits a demo client
def test_an_open_dashboard_takes_a_new_brand_and_ends_with_its_reader(browser: Browser, stack: dict[str, Any]) -> None:
    login = login_of(stack, "airflow", "admin")
    airflow = AirflowApi(stack["addresses"]["airflow"], login["username"], login["password"])
    before = airflow.variable("pulse_client_acme")
    branding = {**before.get("branding", {}), "app_name": "Acme Reborn"}
    gone = login_of(stack, "superset", "manager", "acme")["username"]
    page = open_dashboard(browser, stack, "acme", 1440, "light", role="manager")
    expect(page.locator("canvas").first).to_be_visible(timeout=60_000)
    expect(page.get_by_alt_text("Acme Reborn")).to_have_count(0)
    try:
        airflow.change_clients(["acme"], lambda variable: {**variable, "branding": branding})
        expect(page.get_by_alt_text("Acme Reborn")).to_be_visible(timeout=60_000)
        page.wait_for_selector(".pulse-tile", timeout=60_000)
        page.screenshot(path=environ.STATE.get() / "screenshots" / "reborn.png")
        airflow.change_clients(
            ["acme"], lambda variable: {**variable, "users": [u for u in variable["users"] if u["email"] != gone]}
        )
        page.wait_for_url("**/login/**", timeout=60_000)
        expect(page.locator(".pulse-tile")).to_have_count(0)
    finally:
        airflow.change_clients(["acme"], lambda _: before)
    page.context.close()
