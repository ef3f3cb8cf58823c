"""What docs/existing.md says, done with an Airflow and a Superset that know nothing of Pulse."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from pulse.tenancy import role_password
from stack.install.uv import find_uv
from stack.postgres.cluster import Cluster
from tests.conftest import ROOT
from tests.people.conftest import making_world
from tests.support.servers import free_port

DAGS = {"maintenance", "onboard_client", "replay_rejects", "send_reports", "sync_clients", "watch_clients"}
PARSE = """
import json
from pathlib import Path
from airflow.configuration import conf
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag
from airflow import plugins_manager
from airflow.providers_manager import ProvidersManager
import pulse

bags, errors = {}, []
for bundle in DagBundlesManager().get_all_dag_bundles():
    bundle.initialize()
    bundle.refresh()
    bag = DagBag(dag_folder=str(bundle.path))
    bags[bundle.name] = sorted(bag.dags)
    errors += map(str, bag.import_errors.items())
plugins = plugins_manager._get_plugins()[0]
print("FOUND", json.dumps({
    "bags": bags, "errors": errors, "plugins": [one.name for one in plugins], "pulse": pulse.__file__,
    "apps": [app["url_prefix"] for one in plugins for app in (one.fastapi_apps or [])],
    "types": sorted(kind for kind in ProvidersManager().hooks if kind.startswith("pulse")),
}))
"""


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Any:
    """The clients' database, made as the page says on a server that is there."""
    name = "pulse_of_existing"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}",
        "PULSE_DATABASE": name,
        "PULSE_ROLE_SECRET": cluster.secrets.services,
        "PULSE_READER_SECRET": cluster.secrets.readers,
        "PULSE_SUPERUSER_URL": cluster.primary.url("postgres", "postgres"),
    }
    command = [sys.executable, "-m", "deploy.init_databases", "--clients"]
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    yield name
    with cluster.primary.connect() as superuser:
        superuser.execute(f'drop database "{name}" with (force)'.encode())


@pytest.mark.parametrize("way", ["a folder of plugins", "a package"])
def test_a_plain_airflow_shows_a_clients_dag(cluster: Cluster, database: str, tmp_path: Path, way: str) -> None:
    home = tmp_path / "home"
    shutil.copytree(ROOT / "dags", home / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    paths = []
    if way == "a package":
        paths = [str(tmp_path / "site")]
        uv = find_uv(lambda _: None)
        assert uv is not None
        install = [
            "pip",
            "install",
            "--quiet",
            "--offline",
            "--no-deps",
            "--python",
            sys.executable,
            "--target",
            *paths,
        ]
        done = subprocess.run([str(uv), *install, str(ROOT)], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
    else:
        shutil.copytree(ROOT / "plugins", home / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
    with cluster.primary.connect(database=database) as superuser:
        superuser.execute("insert into core.clients (slug, name) values ('acme', 'Acme') on conflict do nothing")
    address = f"{cluster.primary.host}:{cluster.primary.port}/{database}"
    password = role_password(cluster.secrets.services, "pulse_admin")
    bundles = [
        {
            "name": "dags-folder",
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {},
        },
        {
            "name": "clients",
            "classpath": "pulse.orchestration.bundle.ClientBundle",
            "kwargs": {"folder": str(tmp_path / "pulse_clients"), "refresh_interval": 10},
        },
    ]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(paths),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
        "AIRFLOW_CONN_PULSE_ADMIN": f"postgresql://pulse_admin:{password}@{address}",
        "PULSE_ROOT": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", PARSE],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("FOUND ")), None)
    assert line, done.stdout[-2000:] + done.stderr[-3000:]
    found = json.loads(line.removeprefix("FOUND "))
    assert found["errors"] == []
    assert set(found["bags"]["dags-folder"]) == DAGS
    assert found["bags"]["clients"] == ["pulse__acme"]
    assert found["plugins"].count("pulse") == 1
    assert set(found["apps"]) == {"/pulse/ingest", "/pulse/clients", "/pulse/metrics", "/pulse/maintenance"}
    assert found["types"] == ["pulse_github", "pulse_http", "pulse_jira"]
    assert Path(found["pulse"]).is_relative_to(tmp_path), "not the checkout's"


def test_a_plain_superset_takes_pulses_settings(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "superset_config_of_pulse.py").symlink_to(ROOT / "superset" / "superset_config.py")
    config = tmp_path / "superset_config.py"
    config.write_text(
        f'import sys\n\nsys.path.insert(0, "{tmp_path}")\nfrom superset_config_of_pulse import *\n\nWTF_CSRF_TIME_LIMIT = 77\n'
    )
    with making_world(cluster, tmp_path, free_port(), SUPERSET_CONFIG_PATH=str(config)) as world:
        page = requests.get(f"{world.url}/login/", timeout=60)
        assert page.status_code == 200
        assert "/pulse/icon.svg" in page.text, "Pulse's sign-in page"
        assert requests.get(f"{world.url}/api/v1/chart/", timeout=60).status_code == 401, "Pulse's doors"
        answer = requests.post(f"{world.url}/api/v1/pulse/maintenance/", json={"days": 90}, timeout=60)
        assert answer.status_code in (400, 401)
        world.add("techcorp", "ceo")
