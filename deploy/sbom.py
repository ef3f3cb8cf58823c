"""Bills of materials of the images, as CycloneDX 1.6: python -m deploy.sbom FOLDER

Needs cyclonedx-bom, which the tests' environment has. They say what the locks pin, with hashes and under this version's name;
what the base images bring is not in them. The same locks give the same bytes.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {
    name: ROOT / "constraints" / f"{name}-py311.txt" for name in ("airflow", "kubernetes", "superset")
}  # what the images install


def write(folder: Path) -> list[Path]:
    """The files pulse-NAME.cdx.json. Raises subprocess.CalledProcessError."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, lock in LOCKS.items():
        target = folder / f"pulse-{name}.cdx.json"
        options = ["--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "--short-PURLs"]
        subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", str(lock), *options, "-o", target],
            check=True,
        )
        written.append(target)
    return written


if __name__ == "__main__":
    for path in write(Path(sys.argv[1])):
        print(path)
