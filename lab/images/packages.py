"""Installs an image's packages into a folder: its rooms, and what the lock file says they need.

It is made outside the build, because a build may see no package index, and for the Python of the base image rather than
for the one that runs here.
"""

import platform
import shutil
from pathlib import Path
from typing import Final

from lab.checkout import ROOT
from lab.errors import LabError
from lab.installs.uv import uv

MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
"""A processor as images name it, and as wheels do."""


def own_architecture() -> str:
    """This machine's processor, as images name it.

    Raises:
        LabError: Nobody makes images for it.
    """
    for architecture, machine in MACHINES.items():
        if platform.machine().lower() in {architecture, machine}:
            return architecture
    raise LabError(f"images are made for {' and '.join(MACHINES)}, and this machine is {platform.machine()}")


def install(
    target: Path, *, project: str, extras: tuple[str, ...], rooms: tuple[str, ...], python: str, architecture: str
) -> None:
    """Install a room's locked requirements and the rooms themselves into ``target``, for a processor."""
    target.mkdir(parents=True)
    requirements = target.parent / "requirements.txt"
    chosen = [part for extra in extras for part in ("--extra", extra)]
    uv(
        *("export", "--quiet", "--frozen", "--no-dev", "--no-emit-workspace", "--no-annotate", "--no-header"),
        *("--package", project, *chosen, "--output-file", str(requirements)),
    )
    wheels = ("--python-version", python, "--python-platform", f"{MACHINES[architecture]}-manylinux_2_28")
    common = ("pip", "install", "--quiet", "--no-deps", "--target", str(target), *wheels)
    uv(*common, "--only-binary", ":all:", "--requirements", str(requirements))
    uv(*common, *(str(ROOT / "components" / room) for room in rooms))
    shutil.rmtree(target / "bin", ignore_errors=True)  # Their first lines name an interpreter of this machine.
    for cached in list(target.rglob("__pycache__")):
        shutil.rmtree(cached)
