"""The variables that deploy.render gives the containers. The containers themselves: tests/containers."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy import render
from stack import environment
from stack.airflow.settings import tells_lineage
from stack.paths import ROOT
from stack.ports import StackPorts
from stack.secret_file import load_secrets
from stack.settings import Settings

URLS = ("https://pulse.example", "https://airflow.pulse.example")


@pytest.fixture
def rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    # The tests run with the variables of their own stack: its sandbox would be passed on.
    monkeypatch.delenv("PULSE_PRIVATE_URLS", raising=False)
    return render.environments(render.settings(tmp_path), *URLS)


def test_the_containers_get_the_launchers_variables(tmp_path: Path, rendered: dict[str, dict[str, str]]) -> None:
    local = Settings(tmp_path, StackPorts(), load_secrets(tmp_path))
    assert set(rendered["airflow"]) == set(environment.airflow_variables(local)) | {
        "AIRFLOW__CORE__AUTH_MANAGER",
        "AIRFLOW__FAB__CONFIG_FILE",
        "AIRFLOW__LOGGING__JSON_LOGS",
    }
    assert set(rendered["superset"]) == set(environment.superset_variables(local)) | {"PULSE_TRUSTED_PROXIES"}


def test_no_container_is_sent_to_its_own_loopback_or_to_our_folders(rendered: dict[str, dict[str, str]]) -> None:
    for name, variables in rendered.items():
        for key, value in variables.items():
            if key != "AIRFLOW__API__HOST":
                assert "127.0.0.1" not in value, f"{name}: {key}"
            assert str(ROOT) not in value, f"{name}: {key}"


def test_secrets_are_generated_once_and_private(tmp_path: Path) -> None:
    render.write(tmp_path, *URLS)
    before = (tmp_path / "airflow.env").read_text()
    render.write(tmp_path, *URLS)
    assert (tmp_path / "airflow.env").read_text() == before, "secrets are generated once"
    for path in tmp_path.glob("*.env"):
        assert path.stat().st_mode & 0o077 == 0, path.name


def test_redis_is_named_to_whom_it_serves_and_only_when_asked(
    tmp_path: Path, rendered: dict[str, dict[str, str]]
) -> None:
    scaled = render.environments(render.settings(tmp_path), *URLS, scale=True)
    queue, cache = scaled["redis"]["PULSE_REDIS_QUEUE_PASSWORD"], scaled["redis"]["PULSE_REDIS_CACHE_PASSWORD"]
    assert queue != cache
    assert {name for name, variables in scaled.items() if queue in str(variables)} == {"redis", "queue"}
    assert {name for name, variables in scaled.items() if cache in str(variables)} == {"redis", "superset"}
    assert not any("PULSE_REDIS_SECRET" in variables for variables in scaled.values())
    assert scaled["queue"]["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
    assert rendered["queue"] == {}
    assert {name for name, variables in rendered.items() if "redis:6379" in str(variables)} == set()


def test_the_secret_of_roles_that_write_is_only_where_they_are_made(rendered: dict[str, dict[str, str]]) -> None:
    assert {name for name, variables in rendered.items() if "PULSE_ROLE_SECRET" in variables} == {"init"}
    superuser = rendered["postgres"]["POSTGRES_PASSWORD"]
    assert [name for name, variables in rendered.items() if superuser in str(variables)] == ["postgres", "superuser"]


def test_each_of_two_airflows_is_told_its_clients_and_has_sessions_of_its_own(tmp_path: Path) -> None:
    second = render.Second(("acme", "globex"), "https://second.pulse.example")
    render.write(tmp_path, *URLS, second=second)
    found = render.environments(render.settings(tmp_path), *URLS, second=second)
    assert found["airflow"]["PULSE_CLIENTS"] == "-acme,-globex"
    assert found["second"]["PULSE_CLIENTS"] == "acme,globex"
    assert found["second"]["AIRFLOW__API__BASE_URL"] == "https://second.pulse.example"
    for key in ("AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET"):
        assert found["second"][key] not in found["airflow"].values(), key
    assert (tmp_path / "second.env").exists()

    render.write(tmp_path, *URLS)
    assert not (tmp_path / "second.env").exists(), "a second Airflow would serve clients that the first has again"
    assert "PULSE_CLIENTS" not in (tmp_path / "airflow.env").read_text()


def test_a_second_airflows_clients_are_named_by_their_slugs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["render", "--second-clients", "acme, -globex"])
    with pytest.raises(SystemExit):
        render.main()
    assert "'-globex' is not the slug of a client: name them as in pulse_client_<slug>" in capsys.readouterr().err


def test_airflow_is_told_where_traces_and_lineage_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.example:4318",
        "AIRFLOW__TRACES__OTEL_ON": "True",
        "OPENLINEAGE_URL": "https://lineage.example",
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "pulse",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "of another Airflow in this shell")
    assert tells_lineage()
    found = render.environments(render.settings(tmp_path), "http://superset.example", "http://airflow.example")
    assert given.items() <= found["airflow"].items()
    assert found["airflow"]["AIRFLOW__CORE__FERNET_KEY"] != "of another Airflow in this shell"
    assert not given.keys() & found["superset"].keys()
    for name in given:
        monkeypatch.delenv(name)
    assert not tells_lineage()
