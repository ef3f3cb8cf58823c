"""./pulse lock: renew constraints/ from the requirements files."""

from __future__ import annotations

import subprocess

from stack.errors import StackError
from stack.install import packages as install
from stack.paths import ROOT

# No index and no link into it: the files must say the same wherever the packages come from.
OPTIONS = (
    "--quiet",
    "--upgrade",
    "--no-header",
    "--no-annotate",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--python-version",
    "3.11",
)
LOCKS = {
    install.AIRFLOW.lock: (install.AIRFLOW.requirements, install.TESTS.requirements),
    install.SUPERSET.lock: (install.SUPERSET.requirements,),
}


def lock() -> int:
    """Resolve anew with uv and write both files; the next ./pulse up installs them. Raises StackError."""
    uv = install.find_uv()
    if uv is None:
        raise StackError("./pulse lock needs uv, which could not be installed: pip install uv, then run it again")
    for target, sources in LOCKS.items():
        command = [str(uv), "pip", "compile", *OPTIONS, *map(str, sources)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        if done.returncode != 0:
            raise StackError(f"cannot resolve {target.name}: {install.advice_for(done.stderr)}\n{done.stderr[-2000:]}")
        pins = [line for line in done.stdout.splitlines() if "==" in line and not line.startswith(("#", "-"))]
        names = " and ".join(str(path.relative_to(ROOT)) for path in sources)
        heading = f"# Locked by ./pulse lock from {names}, for CPython 3.11 on Linux."
        target.write_text("\n".join([heading, *pins]) + "\n")
        print(f"{target.relative_to(ROOT)}: {len(pins)} packages")
    return 0
