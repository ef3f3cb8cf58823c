"""Who imports whom: no module is part of a circle, and the parts keep to the order that the architecture gives them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from pulse import languages
from stack.supervision.programs import SHARED_WITH_SUPERSET

ROOT = Path(__file__).resolve().parents[1]
# Folder on the import path: the packages in it.
PACKAGES = {
    ROOT / "plugins": ("pulse",),
    ROOT / "superset": ("pulse_superset",),
    ROOT: ("bench", "dags", "deploy", "migrations", "sandbox", "stack"),
}
# Part: parts that it must not import.
FORBIDDEN = {
    "pulse": ("bench", "dags", "deploy", "sandbox", "stack", "tests", "pulse_superset"),
    "pulse.clients": ("pulse.orchestration", "pulse.sources", "pulse.superset", "pulse.warehouse"),
    "pulse.sources": ("pulse.orchestration", "pulse.superset"),
    "pulse.superset": ("pulse.orchestration", "pulse.sources"),
    "pulse.warehouse": ("pulse.orchestration", "pulse.sources", "pulse.superset"),
    "sandbox": ("pulse", "stack", "tests", "bench"),
    "sandbox.world": ("sandbox.github", "sandbox.jira", "sandbox.custom"),
}


def modules() -> dict[str, Path]:
    found = {}
    for folder, packages in PACKAGES.items():
        for path in (path for package in packages for path in (folder / package).rglob("*.py")):
            found[".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")] = path
    return found


def imports(path: Path) -> Iterator[str]:
    """Every module that a file may mean, also within functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_module_is_part_of_a_circle() -> None:
    known = modules()
    # `from package import module` needs the package, too, whose own file imports nothing.
    graph = {
        name: {found for found in imports(path) if found in known and found != name} for name, path in known.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("part", FORBIDDEN)
def test_a_part_imports_only_what_it_may(part: str) -> None:
    def is_in(module: str, package: str) -> bool:
        return module == package or module.startswith(f"{package}.")

    wrong = [
        f"{name} imports {found}"
        for name, path in modules().items()
        if is_in(name, part)
        for found in imports(path)
        if any(is_in(found, forbidden) for forbidden in FORBIDDEN[part])
    ]
    assert not wrong


def test_supersets_image_and_restart_know_what_superset_imports() -> None:
    known, needed = modules(), set()
    waiting = [name for name in known if name.partition(".")[0] == "pulse_superset"]
    while waiting:
        name = waiting.pop()
        for found in imports(known[name]):
            # A module needs the packages that it is in.
            parents = [".".join(found.split(".")[:count]) for count in range(1, found.count(".") + 2)]
            new = {one for one in parents if one in known and one.partition(".")[0] == "pulse"} - needed
            needed |= new
            waiting += new
    files = {str(known[name].relative_to(ROOT / "plugins" / "pulse")) for name in needed}
    assert set(SHARED_WITH_SUPERSET) == files
    image = (ROOT / "deploy" / "superset.Dockerfile").read_text()
    assert set(re.findall(r"plugins/pulse/(\S+\.py)", image)) == files
    assert set(re.findall(r"languages/(\w+\.po)", image)) == {path.name for path in languages.files()}
