"""Releases: one version number, a changelog, bills of materials that say what the locks pin, a workflow that can run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from deploy import images, sbom
from deploy.release import HEADING, NoRelease, notes
from pulse.version import version
from stack.paths import ROOT

CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
WORKFLOW = ROOT / ".github" / "workflows" / "release.yml"
KINDS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]


def test_the_launcher_says_the_version_of_pyproject() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "pulse"), "version"], capture_output=True, text=True, check=True)
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert done.stdout == f"{wanted}\n"
    assert re.fullmatch(r"\d+\.\d+\.\d+", wanted)


def test_the_version_is_in_one_place() -> None:
    """Another file that has it would be forgotten at the next release."""
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    kinds = (".py", ".yml", ".yaml", ".toml", ".Dockerfile")
    own = re.compile(rf"(pulse|version)\W+{re.escape(version())}\b", re.I)
    found = [name for name in files if name.endswith(kinds) and own.search((ROOT / name).read_text())]
    assert [name for name in found if not name.startswith("tests/")] == ["pyproject.toml"]


def test_images_are_labelled() -> None:
    for path in (ROOT / "deploy").glob("*.Dockerfile"):
        text = path.read_text()
        assert "ARG VERSION" in text, path.name
        assert 'org.opencontainers.image.version="$VERSION"' in text, path.name


def test_the_changelog_is_one() -> None:
    headings = [(heading["name"], heading["date"]) for heading in HEADING.finditer(CHANGELOG)]
    assert headings[0] == ("Unreleased", None)
    released = [tuple(map(int, name.split("."))) for name, date in headings[1:] if date]
    assert len(released) == len(headings) - 1
    assert released == sorted(released, reverse=True)
    assert tuple(map(int, version().split("."))) >= max(released, default=(0,))
    assert set(re.findall(r"^### (.+)$", CHANGELOG, re.M)) <= set(KINDS)


def test_notes_are_the_versions_section() -> None:
    text = "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-12-01\n\n### Added\n- x\n\n## [1.1.0] - 2026-11-01\n\n- y\n"
    assert notes("v1.2.0", text, "1.2.0") == "### Added\n- x\n"
    assert notes("v1.1.0", text, "1.1.0") == "- y\n"


@pytest.mark.parametrize(
    ("tag", "text", "reason"),
    [
        ("v1.2.1", "## [1.2.0] - 2026-12-01\n- x\n", "the tag is v1.2.1"),
        ("1.2.0", "## [1.2.0] - 2026-12-01\n- x\n", "the tag is 1.2.0"),
        ("v1.2.0", "## [1.2.0]\n- x\n", "no date"),
        ("v1.2.0", "## [1.2.0] - 2026-12-01\n\n## [1.1.0] - 2026-11-01\n- y\n", "says nothing"),
        ("v1.2.0", "## [Unreleased]\n- x\n", "rename"),
    ],
)
def test_what_is_no_release_is_told(tag: str, text: str, reason: str) -> None:
    with pytest.raises(NoRelease, match=reason):
        notes(tag, text, "1.2.0")


def test_bills_of_materials_say_what_the_locks_pin(tmp_path: Path) -> None:
    pin = re.compile(r"^(\S+)==(\S+) (.+)$", re.M)
    for name in sbom.NAMES:
        bill = json.loads(sbom.write(tmp_path, name, validate=name == "superset").read_text())
        assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
        assert (bill["metadata"]["component"]["name"], bill["metadata"]["component"]["version"]) == (
            "pulse-airflow",
            version(),
        )
        listed = {
            (part["name"], part["version"], part["purl"]): {
                found["content"] for reference in part["externalReferences"] for found in reference["hashes"]
            }
            for part in bill["components"]
        }
        assert listed == {
            (package, number, f"pkg:pypi/{package}@{number}"): set(re.findall("sha256:([0-9a-f]{64})", hashes))
            for package, number, hashes in pin.findall(sbom.lock(name).read_text())
        }


@pytest.mark.parametrize(
    ("schema", "path"),
    [("vendor.github-workflows", WORKFLOW), ("vendor.compose-spec", ROOT / "docker-compose.yml")],
    ids=["workflow", "compose"],
)
def test_files_for_others_are_of_their_form(schema: str, path: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_workflows_steps_are_scripts_that_name_what_there_is() -> None:
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    scripts = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert len(scripts) >= 6
    for script in scripts:
        assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0, script
        # What comes from outside goes by the environment: in a script it would be run.
        assert "${{" not in script
        for name in re.findall(r"(?:constraints|deploy|\.ci)/[\w.$-]+", script):
            for kind in ("airflow", "superset"):
                assert (ROOT / name.replace("$file", kind)).exists(), name
        for module in re.findall(r"-m (deploy\.\w+)", script):
            assert (ROOT / f"{module.replace('.', '/')}.py").exists(), module


DIGEST = "sha256:" + "0f" * 32
TAGS = images.read(images.TAGS.read_text())


def test_every_image_of_others_is_in_one_file() -> None:
    """Dockerfiles and docker-compose.yml have no other one, and the same tags."""
    files = [ROOT / "docker-compose.yml", *(ROOT / "deploy").glob("*.Dockerfile")]
    text = "".join(path.read_text() for path in files)
    named = re.findall(r"^FROM (\S+)", text, re.M) + re.findall(r"^ *image: *(\S+)", text, re.M)
    assert len(named) >= 6
    for image in named:
        match = re.fullmatch(r"\$\{(\w+)(?::-(.+))?\}", image)
        assert image.startswith("pulse-") or (match and match[1] in TAGS), image
        assert match is None or match[2] in (None, TAGS[match[1]])
    defaults = re.findall(r"ARG (\w+_IMAGE)=(\S+)", text) + re.findall(r"(\w+_IMAGE):-([^}]+)\}", text)
    assert set(defaults) == set(TAGS.items())


def test_a_pinned_file_is_taken() -> None:
    asked = []
    text = images.pin(TAGS, lambda tag: asked.append(tag) or DIGEST)  # type: ignore[func-returns-value]
    images.check(text, TAGS)
    assert asked == [*TAGS.values()]
    assert images.read(text) == {name: f"{tag}@{DIGEST}" for name, tag in TAGS.items()}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: images.TAGS.read_text(), "PYTHON_IMAGE must be"),
        (lambda text: text.replace(DIGEST, DIGEST[:-1], 1), "PYTHON_IMAGE must be"),
        (lambda text: text.replace(DIGEST, DIGEST.upper(), 1), "PYTHON_IMAGE must be"),
        (lambda text: text.replace(f"@{DIGEST}", "", 1), "PYTHON_IMAGE must be"),
        (lambda text: text.replace(f"@{DIGEST}", f"@{DIGEST} x", 1), "line 1 is not"),
        (lambda text: text.replace("python:", "elsewhere.example/python:", 1), "PYTHON_IMAGE must be"),
        (lambda text: text.replace("python:3.11-slim", "python:latest", 1), "PYTHON_IMAGE must be"),
        (lambda text: text.partition("\n")[2], "PYTHON_IMAGE is missing"),
        (lambda text: text + f"OTHER_IMAGE=x@{DIGEST}\n", "OTHER_IMAGE"),
        (lambda text: "", "is missing"),
    ],
)
def test_an_image_without_its_digest_is_refused(change: Callable[[str], str], said: str) -> None:
    text = change(images.pin(TAGS, lambda _: DIGEST))
    with pytest.raises(images.Unpinned, match=said):
        images.check(text, TAGS)


def test_the_step_of_the_release_fails_for_a_tag(tmp_path: Path) -> None:
    file = tmp_path / "base-images.env"
    file.write_text(images.TAGS.read_text())
    done = subprocess.run(
        [sys.executable, "-m", "deploy.images", "check", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "PYTHON_IMAGE must be python:3.11-slim@sha256:" in done.stderr
