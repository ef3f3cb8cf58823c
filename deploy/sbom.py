"""Bills of materials of the images, as CycloneDX 1.6: python -m deploy.sbom FOLDER

Needs cyclonedx-bom, which the tests' environment has. They say what the locks pin, with hashes and under this version's name;
what the base images bring is not in them. The same locks give the same bytes.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("airflow", "kubernetes", "superset")


def lock(name: str) -> Path:
    """What an image installs."""
    return ROOT / "constraints" / f"{name}-py311.txt"


def write(folder: Path, name: str, *, validate: bool = True) -> Path:
    """Write pulse-NAME.cdx.json; its path. `validate`: against CycloneDX's schema, which takes seconds.

    Raises subprocess.CalledProcessError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"pulse-{name}.cdx.json"
    options = ["--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "--short-PURLs"]
    options += ["--validate" if validate else "--no-validate", "-o", str(target)]
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", str(lock(name)), *options]
    subprocess.run(command, check=True)
    return target


if __name__ == "__main__":
    for image in NAMES:
        print(write(Path(sys.argv[1]), image))
