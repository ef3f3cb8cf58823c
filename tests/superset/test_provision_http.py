"""Provisioning against the running Superset: idempotent, complete, and undone when a client goes."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from pulse.superset.api import SupersetApi, SupersetError
from pulse.superset.assets import HASH_KEY, NAME_KEY, Ids, assets_folder, build_bundle, load
from pulse.superset.installed import view_columns
from pulse.superset.provision import (
    BASE_RULE,
    DATABASE_NAME,
    FOR_STAFF,
    REFERENCE_DATASETS,
    ensure_assets,
    ensure_client,
    pulse_datasets,
)
from tests.support.airflow_api import wait_for
from tests.support.stack import client_ids, database, login_of, superset_service
from tests.support.superset_api import SupersetSession

pytestmark = pytest.mark.stops_stack
NOBODYS_CLIENT = 987654


@pytest.fixture(scope="module")
def api(stack: dict[str, Any]) -> SupersetApi:
    """The API as the service account, as in a task."""
    ready = superset_service(stack)
    ensure_assets(ready)
    return ready


@pytest.fixture
def stranger(api: SupersetApi) -> Iterator[int]:
    """A client id that no client has; its role and rule are removed afterwards."""
    yield NOBODYS_CLIENT
    for path, name in (
        ("rowlevelsecurity/", f"pulse: client_{NOBODYS_CLIENT}"),
        ("security/roles/", f"client_{NOBODYS_CLIENT}"),
    ):
        row = api.find(path, "name", name)
        if row:
            api.delete(f"{path}{row['id']}")


def permissions(api: SupersetApi, role: str) -> set[tuple[str, str]]:
    row = api.find("security/roles/", "name", role)
    assert row, f"no role {role}"
    given = api.get(f"security/roles/{row['id']}/permissions/")["result"]
    return {(p["permission_name"], p["view_menu_name"]) for p in given}


def rule(api: SupersetApi, name: str) -> dict[str, Any]:
    row = api.find("rowlevelsecurity/", "name", name)
    assert row, f"no rule {name}"
    result: dict[str, Any] = api.get(f"rowlevelsecurity/{row['id']}")["result"]
    return result


def test_every_dataset_is_closed_and_opened_per_client(stack: dict[str, Any], api: SupersetApi) -> None:
    datasets = pulse_datasets(api)
    assert set(load().datasets) <= set(datasets)
    tenant = {row["id"] for name, row in datasets.items() if name not in REFERENCE_DATASETS}
    base = rule(api, BASE_RULE)
    assert (base["filter_type"], base["clause"]) == ("Base", "1 = 0")
    assert {t["id"] for t in base["tables"]} == tenant
    assert {r["name"] for r in base["roles"]} == {"Admin", "pulse_staff"}
    for client_id in client_ids(stack).values():
        own = rule(api, f"pulse: client_{client_id}")
        assert (own["filter_type"], own["clause"]) == ("Regular", f"client_id = {client_id}")
        assert own["group_key"] == base["group_key"], "one of the two has to hold, not both"
        assert {t["id"] for t in own["tables"]} == tenant
        assert {r["name"] for r in own["roles"]} == {f"client_{client_id}"}


def test_a_second_time_changes_nothing(
    stack: dict[str, Any], api: SupersetApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    for slug, client_id in client_ids(stack).items():
        ensure_client(api, client_id, slug, True)
    written: list[str] = []
    for verb in ("post", "put", "delete", "upload"):
        monkeypatch.setattr(SupersetApi, verb, lambda self, path, *rest: written.append(path))
    assert ensure_assets(api) is False
    for slug, client_id in client_ids(stack).items():
        ensure_client(api, client_id, slug, True)
    assert written == []


def test_datasets_have_the_columns_of_their_views_with_their_comments(stack: dict[str, Any], api: SupersetApi) -> None:
    with database(stack, "pulse_staff", replica=True) as conn:
        rows = conn.execute(
            "select c.table_name, c.column_name, split_part(upper(c.data_type), ' WITH', 1),"
            " col_description(to_regclass('report.' || c.table_name), c.ordinal_position)"
            " from information_schema.columns c where c.table_schema = 'report'"
        ).fetchall()
    wanted: dict[str, set[tuple[str, str, str | None]]] = {}
    for view, *column in rows:
        wanted.setdefault(view, set()).add(tuple(column))
    for name, row in pulse_datasets(api).items():
        columns = api.get(f"dataset/{row['id']}")["result"]["columns"]
        found = {(c["column_name"], c["type"], c["description"]) for c in columns if not c["expression"]}
        assert found == wanted[name], name


def test_another_dashboard_is_one_file(api: SupersetApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it goes with its file; the charts that the other dashboard shows stay."""
    shutil.copytree(assets_folder(), tmp_path / "superset" / "assets")
    text = "title: Team review\ntabs:\n- title: All\n  rows:\n  - [lead_time, trust]\n"
    (tmp_path / "superset" / "assets" / "dashboards" / "team_review.yaml").write_text(text)
    before = charts_and_dashboards(api)
    monkeypatch.setenv("PULSE_ROOT", str(tmp_path))
    assert ensure_assets(api)
    row = api.find("dashboard/", "slug", "team-review")
    assert row
    shown = api.get(f"dashboard/{row['id']}/charts")["result"]
    assert {chart["slice_name"] for chart in shown} == {load().charts[name]["title"] for name in ("lead_time", "trust")}
    monkeypatch.undo()
    assert ensure_assets(api)
    assert charts_and_dashboards(api) == before


def test_an_earlier_versions_dashboards_and_charts_are_taken_over(api: SupersetApi) -> None:
    """They keep id and UUID, so that links to them go on working, and none is there twice."""
    for path in ("dashboard/", "chart/"):
        for row in list(api.every(path)):
            api.delete(f"{path}{row['id']}")
    api.upload("assets/import/", "bundle", bundle_of_an_earlier_version(api))
    before = charts_and_dashboards(api)
    assert len(before) == len(load().charts) + len(load().dashboards)
    assert ensure_assets(api)
    assert charts_and_dashboards(api) == before
    assert ensure_assets(api) is False


def test_a_chart_whose_file_is_gone_goes_and_one_made_by_hand_stays(api: SupersetApi) -> None:
    dataset = pulse_datasets(api)["trust_panel"]["id"]
    made = {}
    for title, params in (("Retired", {NAME_KEY: "no_such_file"}), ("By hand", {})):
        body = {"slice_name": title, "viz_type": "table", "datasource_id": dataset, "datasource_type": "table"}
        made[title] = api.post("chart/", body | {"params": json.dumps(params)})["id"]
    forget_the_import(api)
    try:
        ensure_assets(api)  # the scheduled sync_clients may have done it a moment before
        assert api.find("chart/", "slice_name", "Retired") is None
        assert api.find("chart/", "slice_name", "By hand")
    finally:
        api.delete(f"chart/{made['By hand']}")


def charts_and_dashboards(api: SupersetApi) -> set[tuple[str, int, str]]:
    """Title, id and UUID of every chart and dashboard."""
    charts = {(row["slice_name"], row["id"], row["uuid"]) for row in api.every("chart/")}
    return charts | {(row["dashboard_title"], row["id"], row["uuid"]) for row in api.every("dashboard/")}


def bundle_of_an_earlier_version(api: SupersetApi) -> bytes:
    """Today's assets as they were: with UUIDs of another origin, and charts without the name of their file."""
    assets = load()
    others = {("chart", name): str(uuid4()) for name in assets.charts}
    others |= {("dashboard", name): str(uuid4()) for name in assets.dashboards}
    bundle = build_bundle(assets, view_columns(api, DATABASE_NAME, assets.datasets), Ids(others))
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(bundle.content)) as source, zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            config = yaml.safe_load(source.read(name))
            if name.startswith("pulse/charts/"):
                del config["params"][NAME_KEY]
            if name.startswith("pulse/dashboards/"):
                config["metadata"][HASH_KEY] = "of an earlier version"
            target.writestr(name, yaml.safe_dump(config))
    return buffer.getvalue()


def forget_the_import(api: SupersetApi) -> None:
    """As if somebody had saved the dashboard by hand, which loses its mark."""
    row = api.find("dashboard/", "slug", "executive-overview")
    assert row
    metadata = json.loads(api.get(f"dashboard/{row['id']}")["result"]["json_metadata"])
    del metadata[HASH_KEY]
    api.put(f"dashboard/{row['id']}", {"json_metadata": json.dumps(metadata)})


def test_a_new_client_gets_a_role_a_rule_and_no_more_than_a_viewers_rights(api: SupersetApi, stranger: int) -> None:
    ensure_client(api, stranger, "stranger", True)
    given = permissions(api, f"client_{stranger}")
    assert ("can_read", "Dashboard") in given
    assert sum(permission == "datasource_access" for permission, _ in given) == sum(
        not name.startswith(FOR_STAFF) for name in pulse_datasets(api)
    )
    forbidden = {
        "can_explore",
        "can_explore_json",
        "can_samples",
        "can_sqllab",
        "all_datasource_access",
        "all_database_access",
        "database_access",
        "schema_access",
        "can_export",
        "can_delete",
    }
    assert not {permission for permission, _ in given} & forbidden
    writing = {view for permission, view in given if permission == "can_write"}
    assert writing == {"DashboardFilterStateRestApi", "DashboardPermalinkRestApi"}
    assert rule(api, f"pulse: client_{stranger}")["clause"] == f"client_id = {stranger}"


def test_a_deactivated_client_keeps_its_rule_and_loses_its_rights(api: SupersetApi, stranger: int) -> None:
    ensure_client(api, stranger, "stranger", True)
    ensure_client(api, stranger, "stranger", False)
    assert permissions(api, f"client_{stranger}") == set()
    assert rule(api, f"pulse: client_{stranger}")["clause"] == f"client_id = {stranger}"
    ensure_client(api, stranger, "stranger", True)
    assert permissions(api, f"client_{stranger}")


def test_manual_changes_are_undone(api: SupersetApi, stranger: int) -> None:
    ensure_client(api, stranger, "stranger", True)
    before = permissions(api, f"client_{stranger}")
    role = api.find("security/roles/", "name", f"client_{stranger}")
    own = rule(api, f"pulse: client_{stranger}")
    assert role
    number = api.permission_id("can_sqllab", "Superset")
    api.post(f"security/roles/{role['id']}/permissions", {"permission_view_menu_ids": [number]})
    api.put(
        f"rowlevelsecurity/{own['id']}",
        {"clause": "1 = 1", "tables": [own["tables"][0]["id"]], "roles": [role["id"]]},
    )
    ensure_client(api, stranger, "stranger", True)
    assert permissions(api, f"client_{stranger}") == before
    assert rule(api, f"pulse: client_{stranger}")["clause"] == f"client_id = {stranger}"
    assert len(rule(api, f"pulse: client_{stranger}")["tables"]) == len(own["tables"])


def test_a_dataset_without_its_rules_is_an_error(api: SupersetApi, stranger: int) -> None:
    """Somebody adds a dataset of the clients' database by hand: it is an error until the next ensure_assets closes it."""
    database = api.find("database/", "database_name", "pulse")
    assert database
    made = api.post("dataset/", {"database": database["id"], "schema": "core", "table_name": "services"})["id"]
    try:
        with pytest.raises(SupersetError, match="services"):
            ensure_client(api, stranger, "stranger", True)
        ensure_assets(api)
        covered = {t["id"] for t in rule(api, BASE_RULE)["tables"]}
    finally:
        api.delete(f"dataset/{made}")
        ensure_assets(api)
    assert made in covered


def test_a_publication_turns_over_the_cache_of_its_client_only(stack: dict[str, Any], api: SupersetApi) -> None:
    dataset = pulse_datasets(api)["kpi_current"]["id"]
    logins = {slug: login_of(stack, "superset", "executive", slug) for slug in ("techcorp", "acme")}
    base = stack["addresses"]["superset"]
    people = {slug: SupersetSession(base, one["username"], one["password"]) for slug, one in logins.items()}

    def cached(slug: str) -> bool:
        answer = people[slug].chart_data(dataset, columns=["metric_type", "sort_order"], force=False)
        assert answer.status_code == 200
        return bool(answer.json()["result"][0]["is_cached"])

    for slug in people:
        cached(slug)
        assert cached(slug)
    with database(stack, "pulse_admin") as conn:
        conn.execute(
            "update core.data_versions set version = version + 1"
            " where client_id = (select id from core.clients where slug = 'techcorp')"
        )
    wait_for("the new version is known", lambda: not cached("techcorp"), 30)
    assert cached("techcorp")
    assert cached("acme")


def test_a_wrong_password_says_which_account_and_what_to_do(stack: dict[str, Any]) -> None:
    with pytest.raises(SupersetError, match=r"pulse_service.*pulse_superset"):
        ensure_assets(SupersetApi(stack["addresses"]["superset"], "pulse_service", "wrong"))


def test_an_absent_superset_says_so() -> None:
    with pytest.raises(SupersetError, match="does not answer"):
        ensure_assets(SupersetApi("http://127.0.0.1:1", "pulse_service", "x"))


def test_no_password_of_the_database_is_stored(api: SupersetApi) -> None:
    database = api.find("database/", "database_name", "pulse")
    assert database
    uri = api.get(f"database/{database['id']}/connection")["result"]["sqlalchemy_uri"]
    assert uri == "postgresql+psycopg2://pulse-replica/pulse"
