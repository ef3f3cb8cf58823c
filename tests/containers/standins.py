"""Stand-ins for the base images that the project's files name, where no image registry can be reached.

Made from the packages of Debian and PyPI, and laid out as far as the files rely on it. An image that the engine has
already (pulled from its publisher, or made here before) is used as it is.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from deploy import images
from tests.containers.engine import Engine, EngineError, run

IMAGES = Path(__file__).parent / "images"
DEBIAN = "pulse-standin/debian"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# What a pip in a container must know of how this machine reaches its registry. Places on this machine's disk are not there.
PASSED_ON = re.compile(
    r"^(?:global|install|:env:)\.(index-url|extra-index-url|trusted-host|proxy|timeout|default-timeout)='([^']*)'$"
)


def base_images() -> list[str]:
    """What the Dockerfiles build from, and what docker-compose.yml runs without building it."""
    return sorted(images.read(images.TAGS.read_text()).values())


def make_missing(engine: Engine) -> None:
    """Make a stand-in for each base image that the engine does not have."""
    # Python first: PostgreSQL's stand-in is unpacked with its pip.
    for image in sorted(base_images(), reverse=True):
        if not _known(engine, image):
            kind = image.partition(":")[0]
            if not (IMAGES / kind).is_dir():
                raise EngineError(f"no stand-in is known for {image}: add one to {IMAGES}")
            _debian(engine)
            _build(engine, kind, image)


def _known(engine: Engine, image: str) -> bool:
    return bool(engine.docker("image", "ls", "--quiet", image).strip())


def _build(engine: Engine, kind: str, tag: str) -> None:
    folder = engine.state / "images" / kind
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(IMAGES / kind, folder)
    arguments = {"BASE": DEBIAN}
    if kind == "python":
        (folder / "pip.conf").write_text(_pip_configuration())
        shutil.copy(CERTIFICATES, folder)
    if kind == "postgres":
        arguments["PYTHON"] = next(name for name in base_images() if name.startswith("python:"))
    options = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
    engine.docker("build", "--quiet", *options, "--tag", tag, str(folder))


def _debian(engine: Engine) -> None:
    """Debian's smallest system, from wherever this machine's apt takes its packages."""
    if _known(engine, DEBIAN):
        return
    if not shutil.which("debootstrap"):
        run("apt-get", "install", "-y", "-q", "--no-install-recommends", "debootstrap")
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    codename = release["VERSION_CODENAME"].strip('"')
    targets = ("--format", "$(REPO_URI)", "Created-By: Packages", f"Codename: {codename}")
    mirror = run("apt-get", "indextargets", *targets).split()[0]
    root = engine.state / "debian"
    shutil.rmtree(root, ignore_errors=True)
    run("debootstrap", "--variant=minbase", "--include=ca-certificates", codename, str(root), mirror)
    for left in [*(root / "var/cache/apt/archives").glob("*.deb"), *(root / "var/lib/apt/lists").glob("*")]:
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as tar:
        subprocess.run(["docker", "import", "--change", 'CMD ["bash"]', "-", DEBIAN], stdin=tar.stdout, check=True)
    shutil.rmtree(root)


def _pip_configuration() -> str:
    pip = shutil.which("pip")
    found = [PASSED_ON.match(line) for line in run(pip, "config", "list").splitlines()] if pip else []
    lines = sorted({f"{m[1].removeprefix('default-')} = {m[2]}" for m in found if m and "file:" not in m[2]})
    return "\n".join(["[global]", *lines, ""])
