"""docker-compose.yml against the launcher: the same processes, the same variables, no secret in the file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy import render
from stack import environment
from stack.paths import ROOT
from stack.ports import StackPorts
from stack.postgres import config as postgres_config
from stack.secret_file import load_secrets
from stack.settings import Settings
from stack.supervision.programs import AIRFLOW_PROCESSES, DATABASES

URLS = ("https://pulse.example", "https://airflow.pulse.example")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text()))


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
    }
    assert set(rendered["superset"]) == set(environment.superset_variables(local)) | {"PULSE_TRUSTED_PROXIES"}


def test_superset_believes_the_edge_and_nobody_else(
    compose: dict[str, Any], rendered: dict[str, dict[str, str]]
) -> None:
    assert rendered["superset"]["PULSE_TRUSTED_PROXIES"] == "edge"
    assert "edge" in compose["services"]
    nginx = (ROOT / "deploy" / "nginx.conf").read_text()
    # What the visitor wrote is replaced, not appended to.
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in nginx
    assert "proxy_set_header X-Forwarded-Proto https;" in nginx


def test_no_container_is_sent_to_its_own_loopback_or_to_our_folders(rendered: dict[str, dict[str, str]]) -> None:
    for name, variables in rendered.items():
        for key, value in variables.items():
            if key != "AIRFLOW__API__HOST":
                assert "127.0.0.1" not in value, f"{name}: {key}"
            assert str(ROOT) not in value, f"{name}: {key}"


def test_hosts_are_services_of_the_file(compose: dict[str, Any], rendered: dict[str, dict[str, str]]) -> None:
    for variables in rendered.values():
        for key, value in variables.items():
            for host in re.findall(r"://(?:[^@/\s\"]*@)?([a-z-]+):\d+", value):
                assert host in compose["services"], f"{key} names {host}"
    for kind in ("PRIMARY", "REPLICA"):
        assert rendered["superset"][f"PULSE_{kind}_HOST"] in compose["services"]


def test_every_process_of_the_launcher_has_a_container(compose: dict[str, Any]) -> None:
    assert {*DATABASES, *AIRFLOW_PROCESSES, "superset", "sandbox"} <= set(compose["services"])
    assert compose["services"]["sandbox"]["profiles"] == ["demo"]
    assert compose["services"]["edge"]["profiles"] == ["edge"]


def test_files_that_the_file_names_exist(compose: dict[str, Any], tmp_path: Path) -> None:
    render.write(tmp_path, *URLS)
    made = {f".pulse/compose/{path.name}" for path in tmp_path.iterdir()}
    for name, service in compose["services"].items():
        for file in service.get("env_file") or []:
            assert file in made, f"{name}: {file}"
        if "build" in service:
            assert (ROOT / service["build"]["dockerfile"]).is_file()
        for volume in service.get("volumes") or []:
            source = volume.partition(":")[0].removeprefix("./")
            if "/" in source:
                assert source in made or source == "deploy/certs" or (ROOT / source).exists(), f"{name}: {source}"
            else:
                assert source in compose["volumes"], f"{name}: {source}"


def test_folders_that_the_images_copy_exist() -> None:
    for dockerfile in (ROOT / "deploy").glob("*.Dockerfile"):
        for line in dockerfile.read_text().splitlines():
            if line.startswith("COPY "):
                for source in line.split()[1:-1]:
                    assert (ROOT / source).exists(), f"{dockerfile.name}: {source}"


def test_no_secret_in_the_file_and_rendered_ones_are_private(compose: dict[str, Any], tmp_path: Path) -> None:
    render.write(tmp_path, *URLS)
    before = (tmp_path / "airflow.env").read_text()
    render.write(tmp_path, *URLS)
    assert (tmp_path / "airflow.env").read_text() == before, "secrets are generated once"
    for path in tmp_path.glob("*.env"):
        assert path.stat().st_mode & 0o077 == 0, path.name
    text = (ROOT / "docker-compose.yml").read_text()
    assert not re.search(r"(?i)(password|secret|token|_key)\s*[:=]\s*[^\s/$]", text.partition("\nservices:")[2])


def test_only_the_edge_listens_beyond_this_machine(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for port in service.get("ports", []):
            assert name == "edge" or port.startswith("127.0.0.1:"), f"{name} publishes {port}"


def test_the_containers_use_the_embedded_servers_configuration(compose: dict[str, Any]) -> None:
    for kind in DATABASES:
        service = compose["services"][kind]
        assert "./deploy/postgres:/etc/pulse:ro" in service["volumes"]
        assert f"config_file=/etc/pulse/{kind}.conf -c hba_file=/etc/pulse/{kind}_hba.conf" in service["command"]
        embedded = postgres_config.settings(kind)
        for line in (postgres_config.FOLDER / "common.conf").read_text().splitlines():
            assert line in embedded


def test_client_roles_are_refused_by_the_primary_in_containers_too() -> None:
    logins = (postgres_config.FOLDER / "primary_hba.conf").read_text()
    assert re.search(r"^host +all +\+pulse_reader +samenet +reject$", logins, re.M)


def test_every_container_is_bounded_and_has_no_right_that_it_does_not_need(compose: dict[str, Any]) -> None:
    needed = {"primary", "replica", "meta", "edge"}  # they begin as root and become somebody else
    for name, service in compose["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["pids_limit"] <= 500, name
        assert re.fullmatch(r"\d+[mg]", service["mem_limit"]), name
        assert bool(service.get("cap_add")) == (name in needed), name
        assert not {"SYS_ADMIN", "NET_ADMIN", "ALL"} & set(service.get("cap_add", [])), name
        assert not service.get("privileged"), name


def test_the_secret_of_roles_that_write_is_only_where_they_are_made(rendered: dict[str, dict[str, str]]) -> None:
    assert {name for name, variables in rendered.items() if "PULSE_ROLE_SECRET" in variables} == {"init"}
    superuser = rendered["postgres"]["POSTGRES_PASSWORD"]
    assert [name for name, variables in rendered.items() if superuser in str(variables)] == ["postgres"]
