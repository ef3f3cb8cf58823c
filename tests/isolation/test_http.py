"""The curious executive: whatever TechCorp's executive sends to Superset, the answer is TechCorp's rows or a refusal.

Every test runs once for each way in which a request can say who sent it (tests/support/superset_ways.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.airflow_api import AirflowApi
from tests.support.stack import database, login_of, password_hash, wait_replica
from tests.support.superset_api import SupersetSession
from tests.support.superset_ways import WAYS, Known, in_running_superset, routes, subject_of, token_of

pytestmark = pytest.mark.reads_stack
PASSWORD = "curious about others"

# Shared reference data: published benchmark tables, which are the same for everyone and contain no client's rows.
REFERENCE_DATASETS = {"benchmarks"}
FOR_STAFF = "operations_"  # datasets that no client's user may read

ATTACKS = {
    "query_to_xml": "max(query_to_xml('select client_id, count(*) from report.metric_series group by 1',"
    " true, false, '')::text)",
    "query_to_xml_clients": "max(query_to_xml('select * from core.clients', true, false, '')::text)",
    "table_to_xml": "max(table_to_xml('core.clients', true, false, '')::text)",
    "cursor": "max(cursor_to_xml('x', 1, true, false, '')::text)",
    "schema_to_xml": "max(schema_to_xml('core', true, false, '')::text)",
    "set_config_client": "max(set_config('pulse.client_id', '{other}', false))",
    "set_config_role": "max(set_config('role', 'pulse_client_{other}', false))",
    "set_config_staff": "max(set_config('role', 'pulse_staff', false))",
    "set_config_session": "max(set_config('session_authorization', 'pulse_staff', false))",
    "row_security_off": "max(set_config('row_security', 'off', false))",
    "subquery": "(select max(name) from core.clients)",
    "subquery_count": "(select count(distinct client_id) from report.metric_series)",
    "scalar_users": "(select max(email) from core.users)",
    "pg_read_file": "max(pg_read_file('postgresql.auto.conf'))",
    "pg_ls_dir": "max((select string_agg(x, ',') from pg_ls_dir('.') x))",
    "setting": "max(current_setting('primary_conninfo'))",
    "stat_activity": "max((select string_agg(query, ';') from pg_stat_activity))",
    "pg_stats": "max((select string_agg(most_common_vals::text, ';') from pg_stats))",
    "dblink": "max(dblink_exec('host=127.0.0.1', 'select 1'))",
    "lo_import": "max(lo_import('/etc/passwd')::text)",
    "error_channel": "max(cast((select string_agg(name, ',') from core.clients) as integer))",
}


@pytest.fixture(scope="module")
def world(stack: dict[str, Any]) -> dict[str, Any]:
    """Ids of the two demo clients and words that only Acme's rows contain."""
    with database(stack, "pulse_staff", replica=True) as conn:
        ids = dict(conn.execute("select slug, id from core.clients").fetchall())
        words = {
            row[0]
            for row in conn.execute(
                "select full_name from core.github_repositories where client_id = %(acme)s"
                " union select key from core.incidents where client_id = %(acme)s and key not in"
                " (select key from core.incidents where client_id = %(techcorp)s)",
                ids,
            )
        }
    assert words, "Acme has no rows that could leak"
    colleague = login_of(stack, "superset", "manager", "techcorp")["username"]
    return {"own": ids["techcorp"], "other": ids["acme"], "words": words | {"acme", "pulse.invalid", colleague}}


@pytest.fixture(scope="module")
def curious(stack: dict[str, Any]) -> str:
    """The executive's e-mail: an account of its own, because whoever sends this many requests waits behind everybody else."""
    login = login_of(stack, "airflow", "admin")
    airflow = AirflowApi(stack["addresses"]["airflow"], login["username"], login["password"])
    person = {"email": "curious@techcorp.example", "role": "executive", "scrypt": password_hash(PASSWORD)}
    airflow.change_clients(
        ["techcorp"],
        lambda variable: {
            **variable,
            "users": [*(one for one in variable["users"] if one["email"] != person["email"]), person],
        },
    )
    wait_replica(stack)
    return person["email"]


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: way.name.replace(" ", "-"))
def executive(stack: dict[str, Any], curious: str, request: pytest.FixtureRequest) -> Known:
    return Known(stack["addresses"]["superset"], curious, PASSWORD, request.param)


@pytest.fixture(scope="module")
def datasets(stack: dict[str, Any]) -> dict[str, int]:
    """Every dataset, as staff sees them, because the executive may guess any id."""
    login = login_of(stack, "superset", "staff")
    staff = SupersetSession(stack["addresses"]["superset"], login["username"], login["password"])
    found = {d["table_name"]: int(d["id"]) for d in staff.datasets()}
    assert "kpi_current" in found
    return found


def assert_clean(world: dict[str, Any], what: str, answer: requests.Response) -> None:
    """Check that the answer is a refusal, or has no trace of Acme."""
    assert answer.status_code < 500 or "Something went wrong" in answer.text, (
        f"{what}: {answer.status_code} {answer.text[:300]}"
    )
    lowered = answer.text.lower()
    leaked = [word for word in world["words"] if word.lower() in lowered]
    assert not leaked, f"{what} shows {leaked[:3]}: {answer.text[:600]}"
    if answer.status_code == 200 and "json" in answer.headers.get("content-type", ""):
        for result in answer.json().get("result") or []:
            for row in result.get("data") or [] if isinstance(result, dict) else []:
                if isinstance(row, dict) and "client_id" in row:
                    assert row["client_id"] == world["own"], f"{what}: row of client {row['client_id']}"


@pytest.fixture(scope="module")
def columns(stack: dict[str, Any]) -> dict[str, list[str]]:
    """The columns of every report view."""
    with database(stack, "pulse_staff", replica=True) as conn:
        return dict(
            conn.execute(
                "select table_name, array_agg(column_name::text order by ordinal_position)"
                " from information_schema.columns where table_schema = 'report' group by 1"
            ).fetchall()
        )


@pytest.fixture(scope="module")
def acme_has_asked(stack: dict[str, Any], datasets: dict[str, int], columns: dict[str, list[str]]) -> None:
    """Acme asks for every dataset, so that its answers are in the cache."""
    login = login_of(stack, "superset", "executive", "acme")
    acme = SupersetSession(stack["addresses"]["superset"], login["username"], login["password"])
    for name, dataset in datasets.items():
        assert acme.chart_data(dataset, columns=columns[name], force=False).status_code in (200, 403)


def test_every_dataset_answers_own_rows_only(
    world: dict[str, Any], executive: Known, datasets: dict[str, int], columns: dict[str, list[str]]
) -> None:
    """All rows for the first way of being known, and a thousand in every other form; a few in one form for the other ways,
    which ask the same code."""
    unread: set[str] = set()
    forms = [
        (kind, form) for kind in ("full", "results", "samples", "drill_detail", "query") for form in ("json", "csv")
    ]
    rows: dict[str, Any] = {}
    first = executive.way is WAYS[0]
    if not first:
        forms, rows = [("full", "json"), ("samples", "csv"), ("drill_detail", "json")], {"row_limit": 100}
    for number, (name, dataset) in enumerate(datasets.items()):
        for result_type, result_format in forms if first else [forms[number % len(forms)]]:
            answer = executive.chart_data(
                dataset,
                columns=columns[name],
                result_type=result_type,
                result_format=result_format,
                **({"row_limit": 1000} if first and result_type != "full" else rows),
            )
            assert_clean(world, f"{name} {result_type} {result_format}", answer)
            if result_type == "full" and answer.status_code != 200:
                unread.add(name)
            if name.startswith(FOR_STAFF) or executive.way.guest:
                assert answer.status_code in (401, 403), f"{name} {result_type}: {answer.status_code}"
    if executive.way.accepted:
        closed = {name for name in datasets if name.startswith(FOR_STAFF)} | REFERENCE_DATASETS
        assert unread <= closed, "the executive's own rows must be readable"
        assert closed > REFERENCE_DATASETS


@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_adhoc_metrics_reach_no_other_client(
    world: dict[str, Any], executive: Known, datasets: dict[str, int], attack: str
) -> None:
    """Three datasets for the first way of being known; one for the others, which ask the same code."""
    sql = ATTACKS[attack].replace("{other}", str(world["other"]))
    metric = {"expressionType": "SQL", "sqlExpression": sql, "label": "x"}
    asked = ("kpi_current", "metric_series", "evidence_changes")
    number = sorted(ATTACKS).index(attack) % len(asked)
    for name in asked if executive.way is WAYS[0] else asked[number : number + 1]:
        assert_clean(world, f"{attack} as metric", executive.chart_data(datasets[name], metrics=[metric]))
        column = {"expressionType": "SQL", "sqlExpression": sql, "label": "y"}
        assert_clean(world, f"{attack} as column", executive.chart_data(datasets[name], columns=[column]))
        for clause in ("where", "having"):
            extras = {clause: f"({sql})::text is not null"}
            answer = executive.chart_data(datasets[name], columns=["client_id"], extras=extras)
            assert_clean(world, f"{attack} in {clause}", answer)


def test_a_changed_session_setting_does_not_change_whose_rows_are_returned(
    world: dict[str, Any], executive: Known, datasets: dict[str, int]
) -> None:
    """set_config inside the query itself, then reading rows in the same statement."""
    for setting in ("pulse.client_id", "role", "session_authorization"):
        value = world["other"] if setting == "pulse.client_id" else f"pulse_client_{world['other']}"
        where = f"set_config('{setting}', '{value}', false) is not null"
        answer = executive.chart_data(
            datasets["metric_series"], columns=["client_id", "scope_name"], extras={"where": where}
        )
        assert_clean(world, f"set_config {setting}", answer)


def test_filter_values_samples_and_cached_answers(
    world: dict[str, Any],
    executive: Known,
    datasets: dict[str, int],
    columns: dict[str, list[str]],
    acme_has_asked: None,
) -> None:
    for name, dataset in datasets.items():
        for column in columns[name][: 8 if executive.way is WAYS[0] else 2]:
            path = f"api/v1/datasource/table/{dataset}/column/{column}/values/"
            assert_clean(world, f"values of {name}.{column}", executive.call("GET", path))
        body = {"datasource_id": dataset, "datasource_type": "table"}
        path = f"datasource/samples?datasource_type=table&datasource_id={dataset}&force=false"
        assert_clean(world, f"samples of {name}", executive.call("POST", path, json=body))
        assert_clean(world, f"cached {name}", executive.chart_data(dataset, columns=columns[name], force=False))


# What everybody may open, and what a client's user, and a guest, may; everything else that Superset has is refused.
PUBLIC = {
    "/pulse/manifest.webmanifest",
    "/pulse/icon.svg",
    *("/static/<path:filename>", "/static/appbuilder/<path:filename>"),
    *("/login/", "/lang/<string:locale>", "/health", "/healthcheck", "/ping", "/superset/language_pack/<lang>/"),
    *("/api/v1/security/login", "/api/v1/security/refresh", "/pulse/brief/stop/<token>", "/pulse/brief/news/"),
    *("/pulse/sso/", "/pulse/sso/<name>/", "/pulse/sso/<name>/back/"),
    *("/pulse/forgot/", "/pulse/password/<token>", "/embedded/<uuid>", "/pulse/embed/token"),
}
OPEN_TO_GUESTS = PUBLIC | {
    *(
        "/api/v1/security/csrf_token/",
        "/api/v1/me/roles/",
        "/api/v1/time_range/",
        "/api/v1/chart/data",
    ),
    "/api/v1/dashboard/<id_or_slug>",
    *(f"/api/v1/dashboard/<id_or_slug>/{part}" for part in ("charts", "datasets", "tabs")),
}
OPEN = OPEN_TO_GUESTS | {
    *("/api/v1/pulse/<resource>", "/api/v1/pulse/openapi.json", "/api/v1/pulse/docs/"),
    *("/", "/pulse/start/", "/superset/welcome/", "/dashboard/list/", "/chart/list/"),
    *("/superset/dashboard/<dashboard_id_or_slug>/", "/superset/dashboard/p/<key>/", "/api/v1/me/"),
    "/superset/log/",
    *("/api/v1/chart/", "/api/v1/chart/<id_or_uuid>", "/api/v1/chart/<int:pk>/data/"),
    *("/api/v1/chart/favorite_status/", "/api/v1/dataset/", "/api/v1/dataset/<id_or_uuid>"),
    *("/api/v1/dashboard/", "/api/v1/dashboard/favorite_status/"),
    *("/api/v1/dashboard/<pk>/favorites/", "/api/v1/dashboard/<pk>/permalink"),
    *("/api/v1/dashboard/<int:pk>/filter_state", "/api/v1/dashboard/<int:pk>/filter_state/<string:key>"),
    "/api/v1/dashboard/permalink/<string:key>",
    *("/pulse/brief/", "/pulse/brief.pdf", "/pulse/rows/"),  # /pulse/people/ is for a client_admin
}
COLUMNS = ("owners", "created_by", "changed_by", "roles", "tables", "database", "user", "users", "dashboards", "chart")
IDS = "q=(include_ids:!(1,2,3,4,5,6,7,8,9,10),page_size:100)"


def paths_of(rule: str) -> Iterator[str]:
    """Addresses of a route: of pick lists one for each column, with ids of people who are asked for by name."""
    for column in COLUMNS if "<column_name>" in rule else ("x",):
        filled = rule.replace("<column_name>", column)
        filled = re.sub(r"<id_or_slug>|<dashboard_id_or_slug>", "executive-overview", filled)
        yield re.sub(r"<[^>]*>", "1", filled).lstrip("/") + ("?" + IDS if "<column_name>" in rule else "")


def test_every_route_is_open_by_name_or_closed(world: dict[str, Any], executive: Known) -> None:
    """Over Superset's own list of routes, so that one of the next version is asked, too."""
    found = [(method, rule) for method, rule in routes() if rule != "/logout/"]
    assert len(found) > 300
    assert {rule for _, rule in found} >= OPEN
    for method, rule in found:
        for path in paths_of(rule):
            kwargs: dict[str, Any] = {} if method == "GET" else {"json": {}}
            answer = executive.call(method, path, allow_redirects=False, **kwargs)
            assert_clean(world, f"{method} {path}", answer)
            if rule not in (OPEN_TO_GUESTS if executive.way.guest else OPEN):
                assert answer.status_code in (401, 403), f"{method} {path} answered {answer.status_code}"


def test_the_brief_is_ones_own_clients(stack: dict[str, Any], world: dict[str, Any], executive: Known) -> None:
    for path in ("pulse/brief/", "pulse/brief.pdf"):
        own, named = executive.call("GET", path), executive.call("GET", f"{path}?client=techcorp")
        other = executive.call("GET", f"{path}?client=acme")
        assert_clean(world, path, own)
        assert_clean(world, path, other)
        if executive.way.accepted:
            assert (own.status_code, named.status_code, other.status_code) == (200, 200, 403)
            assert own.headers["Cache-Control"] == "private, no-store"
        else:
            assert {own.status_code, named.status_code, other.status_code} <= {401, 403}
    assert executive.call("GET", "pulse/brief/mail/?client=techcorp").status_code in (401, 403), (
        "for the service account"
    )


def test_a_visitor_and_staff_at_the_brief(stack: dict[str, Any]) -> None:
    base = stack["addresses"]["superset"]
    for path in ("/pulse/brief/?client=techcorp", "/pulse/brief.pdf"):
        answer = requests.get(base + path, allow_redirects=False, timeout=60)
        assert answer.status_code == 302
        assert "/login/?next=" in answer.headers["Location"]
    stop = f"{base}/pulse/brief/stop/{'x' * 43}"
    asked = requests.get(stop, timeout=60)
    assert asked.status_code == 200
    assert "Stop this report?" in asked.text, "opening the link stops nothing"
    assert requests.post(stop, data={"List-Unsubscribe": "One-Click"}, timeout=60).status_code == 404
    login = login_of(stack, "superset", "staff")
    staff = SupersetSession(base, login["username"], login["password"])
    assert "/pulse/brief/?client=acme" in staff.call("GET", "pulse/brief/").text
    page = staff.call("GET", "pulse/brief/?client=acme")
    assert "Acme: the brief" in page.text
    assert "TechCorp" not in page.text
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert staff.call("GET", "pulse/brief/?client=nobody").status_code == 404
    assert staff.call("GET", "pulse/brief.pdf?client=acme&paper=a5").status_code == 404


def without(wall: str, stack: dict[str, Any], paths: list[str]) -> list[list[Any]]:
    """What the executive's token gets from these paths when one wall of Superset's process is taken down."""
    login = login_of(stack, "superset", "executive", "techcorp")
    return list(
        in_running_superset(
            "from sqlalchemy import event\nfrom sqlalchemy.orm import Session\n"
            "from pulse_superset import doors, people\n"
            "if values['wall'] == 'doors':\n"
            "    app.before_request_funcs[None].remove(doors.guard)\n"
            "else:\n"
            "    event.remove(Session, 'do_orm_execute', people._hide_others)\n"
            "result = []\n"
            "for path in values['paths']:\n"
            "    answer = app.test_client().get('/' + path, headers={'Authorization': 'Bearer ' + values['token']})\n"
            "    result.append([path, answer.status_code, answer.get_data(as_text=True)])\n",
            wall=wall,
            paths=paths,
            token=token_of(stack["addresses"]["superset"], login["username"], login["password"]),
        )
    )


LISTS_OF_PEOPLE = [
    path
    for _, rule in (("GET", f"/api/v1/{kind}/related/<column_name>") for kind in ("dataset", "chart", "dashboard"))
    for path in paths_of(rule)
]


def test_behind_the_doors_lists_of_people_show_nobody_else(stack: dict[str, Any], world: dict[str, Any]) -> None:
    """The second wall alone: the allow-list of routes is taken down."""
    own = login_of(stack, "superset", "executive", "techcorp")["username"]
    answers = without("doors", stack, LISTS_OF_PEOPLE)
    listed = [text for _, status, text in answers if status == 200]
    assert len(listed) >= 9, answers
    for text in listed:
        for word in world["words"] - {own}:
            assert word.lower() not in text.lower(), text[:600]
        assert len(json.loads(text)["result"]) <= 2, text[:600]


def test_the_doors_alone_keep_lists_of_people_closed(stack: dict[str, Any]) -> None:
    """The first wall alone: rows of other people would be readable."""
    for path, status, text in without("people", stack, LISTS_OF_PEOPLE):
        assert status == 403, (path, status, text[:300])


def test_two_people_in_one_request_are_refused(stack: dict[str, Any]) -> None:
    own, other = (login_of(stack, "superset", "executive", client) for client in ("techcorp", "acme"))
    base = stack["addresses"]["superset"]
    way = next(way for way in WAYS if way.name == "login form")
    executive = Known(base, own["username"], own["password"], way)
    token = token_of(base, other["username"], other["password"])
    assert subject_of(token) != subject_of(executive.token)
    answer = executive.call("GET", "api/v1/me/", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401


def test_no_sql_lab_no_writing(world: dict[str, Any], executive: Known, datasets: dict[str, int]) -> None:
    refused = {401, 403, 404, 405}
    sql = {"database_id": 1, "sql": "select * from core.clients", "schema": "core", "runAsync": False}
    assert executive.call("POST", "api/v1/sqllab/execute/", json=sql).status_code in refused
    dataset = datasets["kpi_current"]
    for method, path, body in (
        ("PUT", f"api/v1/dataset/{dataset}", {"sql": "select * from core.clients"}),
        ("POST", "api/v1/dataset/", {"database": 1, "schema": "core", "table_name": "clients"}),
        (
            "POST",
            "api/v1/chart/",
            {"slice_name": "x", "datasource_id": dataset, "datasource_type": "table", "viz_type": "table"},
        ),
        ("POST", "api/v1/database/", {"database_name": "x", "sqlalchemy_uri": "postgresql://127.0.0.1/pulse"}),
        (
            "POST",
            "api/v1/rowlevelsecurity/",
            {"name": "x", "filter_type": "Regular", "tables": [dataset], "roles": [], "clause": "1=1"},
        ),
        ("POST", "api/v1/security/roles/", {"name": "client_1000"}),
        ("POST", "api/v1/theme/", {"theme_name": "x", "json_data": json.dumps({})}),
    ):
        answer = executive.call(method, path, json=body)
        assert answer.status_code in refused, f"{method} {path}: {answer.status_code} {answer.text[:300]}"


def test_the_analytics_connection_cannot_write(stack: dict[str, Any], world: dict[str, Any]) -> None:
    import psycopg

    for role in (f"pulse_client_{world['own']}", "pulse_staff"):
        with database(stack, role, replica=True) as conn:
            for statement in (
                "create temp table x (y int)",
                "insert into core.clients (slug, name) values ('x1', 'x')",
                "update core.clients set name = 'x'",
                "delete from core.dora_metrics",
            ):
                with pytest.raises(psycopg.Error):
                    conn.execute(statement)
                conn.rollback()
