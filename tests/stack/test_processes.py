"""What the supervisor runs."""

from __future__ import annotations

import configparser
import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from supervisor.datatypes import dict_of_key_value_pairs

from stack import environment
from stack.errors import StackError
from stack.options import Options
from stack.paths import ROOT
from stack.ports import StackPorts
from stack.postgres.cluster import Cluster
from stack.secret_file import load_secrets
from stack.settings import Settings
from stack.supervision import config
from stack.supervision import programs as processes
from stack.supervision.config import socket_path, supervisor_config
from stack.supervision.programs import Program


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    tmp_path.chmod(0o755)
    return Settings(tmp_path, StackPorts(), load_secrets(tmp_path))


@pytest.fixture
def programs(settings: Settings, cluster: Cluster) -> dict[str, Program]:
    return {p.name: p for p in processes.programs(settings, cluster, Options(demo=True))}


def parsed_environments(text: str) -> dict[str, dict[str, str]]:
    """Each program's environment as supervisor itself reads the file."""
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)
    parser.read_string(text)
    return {
        section.partition(":")[2]: {
            name: value.replace("%%", "%")
            for name, value in dict_of_key_value_pairs(parser.get(section, "environment")).items()
        }
        for section in parser.sections()
        if section.startswith("program:")
    }


def test_supervisor_reads_back_every_value(settings: Settings, programs: dict[str, Program]) -> None:
    read = parsed_environments(supervisor_config(settings.state, list(programs.values())))
    for name, program in programs.items():
        assert read[name] == {**program.environment, config.MARK: str(settings.state)}, name


def test_a_value_that_supervisor_cannot_carry_is_refused(settings: Settings) -> None:
    for value in ('it\'s "both"', "two\nlines", "a ;comment", "a #comment"):
        program = Program("x", ["/bin/true"], {"NAME": value}, Path("/"), 1)
        with pytest.raises(StackError, match="NAME"):
            supervisor_config(settings.state, [program])


def test_processes_of_the_contract(settings: Settings, cluster: Cluster, programs: dict[str, Program]) -> None:
    assert set(programs) == {
        "meta",
        "primary",
        "replica",
        "airflow-api-server",
        "airflow-scheduler",
        "airflow-dag-processor",
        "airflow-triggerer",
        "superset",
        "keeper",
        "sandbox",
    }
    without = processes.programs(settings, cluster, Options(demo=False))
    assert {p.name for p in without} == set(programs) - {"sandbox"}


def test_secrets_go_only_where_they_are_needed(settings: Settings, programs: dict[str, Program]) -> None:
    secrets = settings.secrets

    def holders(value: str) -> set[str]:
        return {name for name, p in programs.items() if any(value in v for v in p.environment.values())}

    airflow = {name for name in programs if name.startswith("airflow-")}
    assert holders(secrets["PULSE_FERNET_KEY"]) == airflow
    assert holders(secrets["PULSE_JWT_SECRET"]) == airflow
    assert holders(secrets["PULSE_SUPERSET_SECRET_KEY"]) == {"superset"}
    assert holders(secrets["PULSE_READER_SECRET"]) == airflow | {"superset"}
    assert holders(secrets["PULSE_ROLE_SECRET"]) == set()
    derived = settings.role_secrets.password
    for role in ("postgres", "pulse_owner", "pulse_replication"):
        assert holders(derived(role)) == set(), role
    for role in ("pulse_etl", "pulse_admin", "airflow"):
        assert holders(derived(role)) == airflow, role
    assert not any(secret in part for secret in secrets.values() for p in programs.values() for part in p.command)


def test_metadata_and_client_data_are_on_different_servers(settings: Settings) -> None:
    airflow, superset = environment.airflow(settings), environment.superset(settings)
    meta = f":{settings.ports.meta}/"
    assert f"{meta}airflow" in airflow["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    assert f"{meta}superset" in superset["PULSE_SUPERSET_DB_URL"]
    assert f":{settings.ports.primary}/pulse" in airflow["AIRFLOW_CONN_PULSE_ETL"]
    assert f":{settings.ports.replica}/pulse" in airflow["AIRFLOW_CONN_PULSE_REPLICA"]


def config_of(variables: dict[str, str]) -> configparser.ConfigParser:
    """The file of settings that Airflow reads beside its variables."""
    parser = configparser.ConfigParser()
    parser.read_string(Path(variables["AIRFLOW_CONFIG"]).read_text())
    return parser


def test_the_callers_own_airflow_settings_do_not_leak_in(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "SequentialExecutor")
    monkeypatch.setenv("PGHOST", "elsewhere")
    monkeypatch.setenv("PYTHONPATH", "/tmp/strange")
    found = environment.airflow(settings)
    assert "AIRFLOW__CORE__EXECUTOR" not in found
    assert config_of(found)["core"]["executor"] == "LocalExecutor"
    assert "PGHOST" not in found
    assert found["PYTHONPATH"] == str(ROOT / "plugins")


def test_airflow_knows_every_setting_it_is_given(settings: Settings) -> None:
    """A misspelt setting would be ignored without a word."""
    code = (
        "import json, sys\n"
        "from airflow.configuration import conf\n"
        "known = {f'AIRFLOW__{s}__{o}'.upper() for s in conf.configuration_description"
        " for o in conf.configuration_description[s]['options']}\n"
        "print(json.dumps(sorted(set(json.load(sys.stdin)) - known)))"
    )
    variables = environment.airflow(settings)
    names = [name for name in variables if name.startswith("AIRFLOW__")]
    config = config_of(variables)
    names += [f"AIRFLOW__{section}__{name}".upper() for section in config.sections() for name in config[section]]
    env = {**os.environ, "AIRFLOW_HOME": str(settings.state)}
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(names), capture_output=True, text=True, env=env, check=True
    )
    unknown = set(json.loads(done.stdout.splitlines()[-1]))
    # Options of the simple auth manager are described by it, not by the core.
    assert unknown <= {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"}


def test_every_folder_airflow_writes_to_is_in_the_state_folder(settings: Settings) -> None:
    """Two installations, or two users of one machine, must not meet in /tmp."""
    found = environment.airflow(settings)
    for name in (
        "AIRFLOW_HOME",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH",
    ):
        assert Path(found[name]).is_relative_to(settings.state), name


def test_the_socket_path_stays_short_in_a_deep_folder(tmp_path: Path) -> None:
    deep = tmp_path / "/".join(["a-rather-long-folder-name"] * 6)
    assert len(str(socket_path(deep))) <= config.SOCKET_PATH_LIMIT
    assert socket_path(deep) != socket_path(deep / "other")
    assert socket_path(Path("/srv/pulse")) == Path("/srv/pulse/supervisor.sock")


def test_new_code_changes_the_configuration(settings: Settings, programs: dict[str, Program]) -> None:
    builds = {name: p.environment["PULSE_BUILD"] for name, p in programs.items()}
    assert builds["airflow-scheduler"] == builds["airflow-triggerer"]
    assert len({builds["airflow-scheduler"], builds["superset"], builds["sandbox"], builds["primary"]}) == 4
    assert all(re.fullmatch(r"[0-9a-f]{16}", build) for build in builds.values())


def test_sources_may_read_the_sandbox_only_where_it_runs(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_PRIVATE_URLS", "jira.inside")
    assert environment.airflow(settings)["PULSE_PRIVATE_URLS"] == "jira.inside,127.0.0.1:8099"
    without = dataclasses.replace(settings, sandbox=False)
    assert environment.airflow(without)["PULSE_PRIVATE_URLS"] == "jira.inside"
