"""The manifests for Kubernetes: built by kustomize, of the form that Kubernetes and CloudNativePG define, and agreeing with the
containers of docker-compose.yml. No cluster has run them: docs/kubernetes.md."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from deploy import render
from deploy.kubernetes import postgres_settings
from pulse import environ
from stack.install.tools import find
from stack.paths import ROOT

VERSION = "1.34"
FOLDER = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("demo", "production")
DEFINITIONS = environ.FIXTURES.get() / "kubernetes"
OURS = ("cnpg.io", "external-secrets.io")
Object = dict[str, Any]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Object]]:
    """The objects of each overlay. The demo's secrets are rendered as its first lines say."""
    checkout = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "deploy", checkout / "deploy")
    render.write(
        checkout / "deploy/kubernetes/overlays/demo/secrets", "http://superset.example", "http://airflow.example"
    )
    program = find("kubectl")
    assert program, "kubectl is missing: ./pulse test fetches it"
    found = {}
    for name in OVERLAYS:
        folder = checkout / "deploy/kubernetes/overlays" / name
        done = subprocess.run([program, "kustomize", str(folder)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "deprecated" not in done.stderr
        found[name] = list(yaml.safe_load_all(done.stdout))
    return found


@pytest.fixture(params=OVERLAYS)
def objects(request: pytest.FixtureRequest, built: dict[str, list[Object]]) -> list[Object]:
    return built[request.param]


def named(objects: list[Object], kind: str) -> dict[str, Object]:
    return {found["metadata"]["name"]: found for found in objects if found["kind"] == kind}


def pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Every pod that the manifests make, by the name of what makes it; with the pod of a task."""
    for found in objects:
        if found["kind"] in ("Deployment", "Job"):
            yield found["metadata"]["name"], found["spec"]["template"]
    (template,) = [found for found in objects if found["kind"] == "ConfigMap" and found["metadata"]["name"] == "worker"]
    yield "airflow-worker", yaml.safe_load(template["data"]["pod_template.yaml"])


@functools.cache
def validator(kind: str) -> jsonschema.Draft202012Validator:
    """How CloudNativePG defines a kind."""
    if not DEFINITIONS.is_dir():
        pytest.skip("no definitions of CloudNativePG: PULSE_FIXTURES names no folder that has them")
    path = DEFINITIONS / f"cnpg_{kind.lower()}s.crd.yaml"
    found = yaml.load(path.read_text(), yaml.CSafeLoader)  # safe_load takes seconds
    (version,) = [v for v in found["spec"]["versions"] if v["name"] == "v1"]
    schema = _strict(version["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}
    return jsonschema.Draft202012Validator(schema)


def _strict(schema: Any) -> Any:
    """Unknown fields are mistakes: Kubernetes would drop them without a word."""
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _strict(value) for key, value in schema.items()}
    if isinstance(made.get("properties"), dict) and "additionalProperties" not in made:
        made["additionalProperties"] = bool(made.get("x-kubernetes-preserve-unknown-fields"))
    return made


def test_objects_are_of_kubernetes_form(objects: list[Object]) -> None:
    checked = 0
    for found in objects:
        if not found["apiVersion"].split("/")[0].endswith(OURS):
            kubernetes_validate.validate(found, VERSION, strict=True)
            checked += 1
    assert checked > 25
    for _, pod in pods(objects):
        kubernetes_validate.validate({"apiVersion": "v1", "kind": "Pod"} | pod, VERSION, strict=True)


def test_objects_are_of_cloudnativepgs_form(objects: list[Object]) -> None:
    kinds = []
    for found in objects:
        if found["apiVersion"] == "postgresql.cnpg.io/v1":
            validator(found["kind"]).validate(found)
            kinds.append(found["kind"])
    assert kinds.count("Cluster") == 3


def test_a_mistake_in_a_cluster_is_found(built: dict[str, list[Object]]) -> None:
    """The control: the check above is one that can fail."""
    found = named(built["production"], "Cluster")["pulse-primary"]
    for spec in ({"instancess": 3}, {"instances": "three"}, {"storage": {"sizes": "1Gi"}}):
        with pytest.raises(jsonschema.ValidationError):
            validator("Cluster").validate(found | {"spec": found["spec"] | spec})


def test_settings_and_access_are_those_of_the_containers(objects: list[Object]) -> None:
    assert postgres_settings.TARGET.read_text() == postgres_settings.text(), (
        "out of date: python3.11 -m deploy.kubernetes.postgres_settings"
    )
    clusters = named(objects, "Cluster")
    for kind, name in postgres_settings.CLUSTERS.items():
        settings = clusters[name]["spec"]["postgresql"]
        assert settings["parameters"] == postgres_settings.parameters(kind)
        assert settings["pg_hba"][-1] == "host all all all reject"
    readers = "host all +pulse_reader all"
    assert f"{readers} reject" in clusters["pulse-primary"]["spec"]["postgresql"]["pg_hba"]
    assert f"{readers} scram-sha-256" in clusters["pulse-replica"]["spec"]["postgresql"]["pg_hba"]
    assert clusters["pulse-replica"]["spec"]["replica"] == {"enabled": True, "source": "pulse-primary"}


def test_processes_are_those_of_the_containers(objects: list[Object]) -> None:
    """The same commands, and secrets in the same places."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    compared = 0
    for name, pod in pods(objects):
        if name == "airflow-worker":  # runs one task here, and many there
            continue
        (container,) = pod["spec"]["containers"]
        compose = services[name]
        wanted = {Path(file).stem for file in compose.get("env_file", [])} - {"queue"}  # of the profile scale
        got = {source["secretRef"]["name"] for source in container.get("envFrom", [])}
        assert got == {re.sub(r"\W", "", name) for name in wanted}, name
        if "command" in compose and not compose["command"].startswith("sh "):
            assert " ".join(container["args"]) == compose["command"], name
        if "healthcheck" in compose:
            probe = container["startupProbe"]["exec"]["command"]
            assert probe == compose["healthcheck"]["test"][1:], name
        compared += 1
    assert compared >= 8


def test_the_variables_name_services_that_there_are(built: dict[str, list[Object]]) -> None:
    """deploy.render's hosts are the containers' names; services have the same ones."""
    objects = built["demo"]
    managed = [
        service["serviceTemplate"]["metadata"]["name"]
        for cluster in named(objects, "Cluster").values()
        for service in cluster["spec"]["managed"]["services"]["additional"]
    ]
    assert set(render.HOSTS.values()) <= {*managed, *named(objects, "Service")}
    assert set(named(objects, "Secret")) >= {"airflow", "accounts", "superset", "init", "superuser"}


def test_every_secret_that_is_asked_for_comes_from_somewhere(built: dict[str, list[Object]]) -> None:
    for name, kind in (("demo", "Secret"), ("production", "ExternalSecret")):
        objects = built[name]
        asked = {
            source["secretRef"]["name"]
            for _, pod in pods(objects)
            for container in pod["spec"]["containers"]
            for source in container.get("envFrom", [])
        }
        asked |= {cluster["spec"]["superuserSecret"]["name"] for cluster in named(objects, "Cluster").values()}
        asked |= {p["spec"]["pgbouncer"]["authQuerySecret"]["name"] for p in named(objects, "Pooler").values()}
        assert asked <= set(named(objects, kind))
    assert not named(built["production"], "Secret"), "no secret is in the manifests"


def test_pods_have_walls(objects: list[Object]) -> None:
    for name, pod in pods(objects):
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["automountServiceAccountToken"] == (name == "airflow-scheduler"), name
        assert spec["enableServiceLinks"] is False, f"{name}: services' variables could be taken for ours"
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            walls = container["securityContext"]
            assert walls == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert "memory" in container["resources"]["limits"], name
            assert "memory" in container["resources"]["requests"], name


def test_tasks_read_the_dags_that_the_dag_processor_writes(objects: list[Object]) -> None:
    """Each task has a pod of its own: what is in another pod's folder is not there."""
    for name, pod in pods(objects):
        (container,) = pod["spec"]["containers"]
        if not name.startswith("airflow-") or name == "airflow-init":
            continue
        claims = {
            v["name"]: v["persistentVolumeClaim"]["claimName"]
            for v in pod["spec"]["volumes"]
            if "persistentVolumeClaim" in v
        }
        places = {mount["mountPath"]: claims.get(mount["name"]) for mount in container["volumeMounts"]}
        variables = {variable["name"]: variable["value"] for variable in container["env"]}
        assert places[variables["PULSE_STATE"]] == "airflow-shared", name
        assert variables["AIRFLOW__LOGGING__BASE_LOG_FOLDER"].startswith(f"{variables['PULSE_STATE']}/"), name
    assert named(objects, "PersistentVolumeClaim")["airflow-shared"]["spec"]["accessModes"] == ["ReadWriteMany"]


def test_images_are_the_same_everywhere(objects: list[Object]) -> None:
    scheduler = named(objects, "Deployment")["airflow-scheduler"]["spec"]["template"]["spec"]["containers"][0]
    variables = {variable["name"]: variable["value"] for variable in scheduler["env"]}
    prefix = "AIRFLOW__KUBERNETES_EXECUTOR__WORKER_CONTAINER"
    assert scheduler["image"] == f"{variables[f'{prefix}_REPOSITORY']}:{variables[f'{prefix}_TAG']}"
    images = {c["image"] for name, pod in pods(objects) if name != "airflow-worker" for c in pod["spec"]["containers"]}
    assert len(images) == 2, images


def test_nothing_is_reached_that_no_policy_names(objects: list[Object]) -> None:
    policies = named(objects, "NetworkPolicy")
    assert policies["nobody"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    labels = {pod["metadata"]["labels"]["app.kubernetes.io/name"] for _, pod in pods(objects)}
    said = set()
    for policy in policies.values():
        for value in re.findall(r"'app\.kubernetes\.io/name': '([\w-]+)'|'values': \[([^]]*)\]", str(policy["spec"])):
            said |= {value[0]} if value[0] else set(re.findall(r"'([\w-]+)'", value[1]))
    clusters = set(postgres_settings.CLUSTERS.values())
    assert said - clusters - labels <= {"demo-clients"}, "a name that no pod has"
    assert labels <= said, "a pod that reaches nothing"
    # Only tasks, and what waits for their sources, reach the outside.
    (rule,) = policies["sources"]["spec"]["podSelector"]["matchExpressions"]
    assert set(rule["values"]) == {"airflow-worker", "airflow-triggerer"}
    reach_all = [n for n, p in policies.items() if any("0.0.0.0/0" in str(e) for e in p["spec"].get("egress", []))]
    assert reach_all == ["sources"]


def test_production_has_two_of_each_and_backups(built: dict[str, list[Object]]) -> None:
    objects = built["production"]
    deployments = named(objects, "Deployment")
    assert {name for name, found in deployments.items() if found["spec"]["replicas"] < 2} == {"airflow-dag-processor"}
    clusters = named(objects, "Cluster")
    assert all(cluster["spec"]["instances"] >= 2 for cluster in clusters.values())
    backed_up = {found["spec"]["cluster"]["name"] for found in named(objects, "ScheduledBackup").values()}
    assert backed_up == {"pulse-primary", "pulse-meta"}
    assert all("barmanObjectStore" in clusters[name]["spec"]["backup"] for name in backed_up)
    for budget in named(objects, "PodDisruptionBudget").values():
        assert budget["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] in deployments
    for ingress in named(objects, "Ingress").values():
        assert ingress["metadata"]["annotations"]["cert-manager.io/cluster-issuer"]
        hosts = {rule["host"] for rule in ingress["spec"]["rules"]}
        assert hosts == {host for entry in ingress["spec"]["tls"] for host in entry["hosts"]}
        paths = {
            path["path"]: path["backend"]["service"]["name"] for path in ingress["spec"]["rules"][0]["http"]["paths"]
        }
        closed = {path for path, service in paths.items() if service == "nowhere"}
        assert closed == {"/pulse/metrics"} | (
            {"/pulse/maintenance"} if "airflow-api-server" in paths.values() else set()
        )
