"""Airflow's own forms, in a real browser: what an admin edits there is what changes."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.airflow_api import AirflowApi, wait_for
from tests.support.browsers import chromium
from tests.support.stack import database, login_of

pytestmark = pytest.mark.stops_stack  # the form edits a demo client
SLUG = "acme"
COLOUR, ANOTHER = "#B3261E", "#8A1C16"


@pytest.fixture(scope="module")
def airflow(stack: dict[str, Any]) -> AirflowApi:
    login = login_of(stack, "airflow", "admin")
    return AirflowApi(stack["addresses"]["airflow"], login["username"], login["password"])


@pytest.fixture(scope="module")
def page(stack: dict[str, Any]) -> Iterator[Page]:
    """A browser that is signed in to Airflow as admin."""
    login = login_of(stack, "airflow", "admin")
    with chromium() as browser:
        made = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
        made.goto(f"{stack['addresses']['airflow']}/auth/login/")
        made.fill("input[name=username]", login["username"])
        made.fill("input[name=password]", login["password"])
        made.keyboard.press("Enter")
        expect(made.get_by_role("link", name="Home").first).to_be_visible(timeout=60_000)
        yield made


def declared(stack: dict[str, Any]) -> dict[str, Any]:
    """Everything in the tables that comes from the Variable of a client."""
    found: dict[str, Any] = {}
    with database(stack, "pulse_admin") as conn:
        for table, key in (
            ("clients", "slug"),
            ("users", "email"),
            ("system_settings", "setting_key"),
            ("integrations", "name"),
        ):
            column = "id" if table == "clients" else "client_id"
            rows = conn.execute(
                f"select {key}, to_jsonb(t) - 'updated_at' - 'spec_hash' from core.{table} t where {column} ="  # type: ignore[arg-type]
                " (select id from core.clients where slug = %s)",
                [SLUG],
            ).fetchall()
            found |= {f"{table} {name}": value for name, value in rows}
    return found


def edit(page: Page, stack: dict[str, Any], old: str, new: str) -> None:
    """Open the client's Variable in the list, change a text in its value and save."""
    page.goto(f"{stack['addresses']['airflow']}/variables")
    row = page.locator("tr", has_text=f"pulse_client_{SLUG}")
    row.get_by_label("Edit Variable").click()
    value = page.get_by_role("dialog").locator("textarea[name=value]")
    expect(value).to_be_visible()
    text = value.input_value()
    assert text.count(old) == 1, text
    assert "***" not in text
    value.fill(text.replace(old, new))
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_have_count(0, timeout=30_000)


def test_an_edit_in_the_form_changes_only_what_was_edited(
    page: Page, stack: dict[str, Any], airflow: AirflowApi
) -> None:
    """Old and new demo clients alike: the form shows every value, so that saving it keeps every value."""
    variable = f"pulse_client_{SLUG}"
    shown = json.loads(airflow.get(f"variables/{variable}")["value"])
    before = declared(stack)
    assert len(before) > 6
    edit(page, stack, COLOUR, ANOTHER)
    try:
        assert airflow.sync_clients() == "success"
        after = declared(stack)
        changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        assert changed == {"system_settings brand.primary_color"}
        assert after["system_settings brand.primary_color"]["setting_value"] == ANOTHER
    finally:
        edit(page, stack, ANOTHER, COLOUR)
        airflow.trigger("sync_clients")
    assert json.loads(airflow.get(f"variables/{variable}")["value"]) == shown


def fill(page: Page, section: str, **fields: str) -> None:
    """Open a section of the form and fill its fields."""
    page.get_by_role("dialog").get_by_text(section, exact=False).first.click()
    for name, value in fields.items():
        field = page.locator(f"[name=element_{name}]").first
        expect(field).to_be_visible()
        field.fill(value)


def test_a_client_is_added_by_the_form(page: Page, stack: dict[str, Any], airflow: AirflowApi) -> None:
    """First with a wrong token: the form says so, and nothing is written. Then with the right one."""
    slug = f"form{secrets.token_hex(3)}"
    sandbox = stack["addresses"]["sandbox"]
    try:
        for token, state in (("ghp_nobody", "failed"), ("ghp_sandbox_acme", "success")):
            airflow.set_connection(f"github__{slug}", conn_type="pulse_github", password=token)
            before = airflow.latest_run("onboard_client")
            page.goto(f"{stack['addresses']['airflow']}/dags/onboard_client")
            page.get_by_role("button", name="Trigger").first.click()
            fill(page, "The client", slug=slug, name="Made by the form")
            fill(page, "Its people", executives=f"ceo@{slug}.example")
            fill(
                page,
                "· GitHub",
                github_organization="acme",
                github_base_url=f"{sandbox}/github",
                github_repositories="billing",
            )
            page.get_by_role("dialog").get_by_role("button", name="Trigger").click()
            run = wait_for(
                "a run of the form",
                lambda before=before: (  # type: ignore[misc]
                    (found := airflow.latest_run("onboard_client"))
                    and (before is None or found["dag_run_id"] != before["dag_run_id"])
                    and found
                ),
                60,
            )
            assert airflow.wait_run("onboard_client", run["dag_run_id"]) == state
            written = airflow.call("GET", f"variables/pulse_client_{slug}")
            assert written.status_code == (404 if state == "failed" else 200)
        declared = json.loads(written.json()["value"])
        assert declared["users"] == [{"email": f"ceo@{slug}.example", "role": "executive"}]
        assert declared["integrations"][0]["repositories"] == ["billing"]
        assert "***" not in written.text
    finally:
        airflow.call("DELETE", f"variables/pulse_client_{slug}")
        airflow.call("DELETE", f"connections/github__{slug}")
        airflow.trigger("sync_clients")
