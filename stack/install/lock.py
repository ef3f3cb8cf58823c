"""./pulse lock: renew constraints/ from the requirements files."""

from __future__ import annotations

import subprocess
from pathlib import Path

from stack.errors import StackError
from stack.install.packages import AIRFLOW, LINEAGE, SUPERSET, TESTS, advice_for, lock_of
from stack.install.python import SUPPORTED
from stack.install.uv import find_uv
from stack.paths import ROOT

# No index and no link into it: the files must say the same wherever the packages come from.
OPTIONS = [
    "--quiet",
    "--no-header",
    "--no-annotate",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--generate-hashes",
]
SOURCES = {
    "airflow": (AIRFLOW.requirements,),
    "lineage": (AIRFLOW.requirements, LINEAGE.requirements),
    "tests": (AIRFLOW.requirements, LINEAGE.requirements, TESTS.requirements),
    "superset": (SUPERSET.requirements,),
    "kubernetes": (AIRFLOW.requirements, LINEAGE.requirements, ROOT / "deploy" / "kubernetes" / "requirements.txt"),
    "scale": (AIRFLOW.requirements, LINEAGE.requirements, ROOT / "deploy" / "scale" / "requirements.txt"),
}
LIKE_AIRFLOW = ("lineage", "tests", "kubernetes", "scale")  # more packages beside Airflow's, whose versions stay
LOCKS = {lock_of(name, version): sources for name, sources in SOURCES.items() for version in SUPPORTED}


def lock(*, upgrade: bool) -> int:
    """Resolve with uv and write all files; the next ./pulse up installs them. Raises StackError.

    `upgrade` takes the newest versions; without it, pins that still fit stay. Every Python gets the first one's versions, and
    the tests and the images get Airflow's. A package is installed only if its file has one of the hashes.
    """
    uv = find_uv()
    if uv is None:
        raise StackError("./pulse lock needs uv, which could not be installed: pip install uv, then run it again")
    for name, sources in SOURCES.items():
        first = lock_of(name, SUPPORTED[0])
        for version in SUPPORTED:
            target, python = lock_of(name, version), f"{version[0]}.{version[1]}"
            options = [*OPTIONS, "--python-version", python, "--output-file", str(target)]
            options += ["--upgrade"] * upgrade + ["--constraint", str(first)] * (target != first)
            options += ["--constraint", str(lock_of("airflow", version))] * (name in LIKE_AIRFLOW)
            done = subprocess.run(
                [str(uv), "pip", "compile", *options, *map(str, sources)],
                capture_output=True,
                text=True,
                check=False,
                cwd=ROOT,
            )
            if done.returncode != 0:
                advice = advice_for(done.stderr)
                raise StackError(f"cannot resolve {target.name}: {advice}\n{done.stderr[-2000:]}")
            _tidy(target, sources, python)
    return 0


def _tidy(target: Path, sources: tuple[Path, ...], python: str) -> None:
    """Leave only a heading and the pins, each in one line with its hashes."""
    lines = target.read_text().replace("\\\n", "").splitlines()
    pins = [" ".join(line.split()) for line in lines if "==" in line and not line.startswith(("#", "-"))]
    names = " and ".join(str(path.relative_to(ROOT)) for path in sources)
    heading = f"# Locked by ./pulse lock from {names}, for CPython {python} on Linux."
    target.write_text("\n".join([heading, *pins]) + "\n")
    print(f"{target.relative_to(ROOT)}: {len(pins)} packages")
