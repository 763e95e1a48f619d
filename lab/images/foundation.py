"""The image that the others build on: Python's official one, or a stand-in where no registry answers.

The stand-in is Debian's Python from debootstrap. It is another Python than the official image's; it lets images be built
and run where only Debian's archive can be reached.
"""

import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.errors import LabError
from lab.images.builder import Builder
from lab.images.packages import own_architecture
from lab.installs.apt import apt_install

OFFICIAL: Final = "docker.io/library/python:3.13-slim"
_SUITE: Final = "bookworm"
_TRIES: Final = 3
_OFFICIAL_OF: Final = "localhost/asya-python:3.13"
_STAND_IN: Final = f"localhost/asya-python:{_SUITE}"
_UNUSED: Final = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale", "var/log")


@dataclass(frozen=True, slots=True)
class Base:
    """A base image and the Python in it."""

    image: str
    python: str
    stand_in: bool


def find_base(builder: Builder, architecture: str = "") -> Base:
    """The official image when it is here or can be fetched, the stand-in otherwise.

    Args:
        builder: The program that fetches and makes it.
        architecture: Of another processor than this machine's.
    """
    if architecture and builder.program == "docker":
        return Base(OFFICIAL, "3.13", False)  # It fetches what --platform asks for.
    official = f"{_OFFICIAL_OF}-{architecture}" if architecture else OFFICIAL
    name = f"{_STAND_IN}-{architecture}" if architecture else _STAND_IN
    if builder.has(official):
        return Base(official, "3.13", False)
    if builder.has(name):
        return Base(name, "3.11", True)
    if builder.pull(OFFICIAL, architecture, official if architecture else ""):
        return Base(official, "3.13", False)
    print(f"images: {OFFICIAL} cannot be fetched; making a stand-in from Debian {_SUITE}", flush=True)
    if os.geteuid() != 0:
        raise LabError("making a base image with debootstrap needs root: sudo -E make images")
    began = time.monotonic()
    if shutil.which("debootstrap") is None:
        apt_install("debootstrap")
    with tempfile.TemporaryDirectory() as folder:
        tree = _debian(Path(folder), architecture)
        for unused in _UNUSED:
            shutil.rmtree(tree / unused, ignore_errors=True)
            (tree / unused).mkdir(parents=True)
        (tree / "usr/local/bin").mkdir(parents=True, exist_ok=True)
        (tree / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        builder.import_tree(tree, name, architecture or own_architecture())
    print(f"images: made {name} in {time.monotonic() - began:.0f} s", flush=True)
    return Base(name, "3.11", True)


def _debian(folder: Path, architecture: str) -> Path:
    """A file system tree below a folder; tried again where a package could not be fetched.

    For another processor packages are unpacked and not set up: their scripts could not run here, nor does the image.
    """
    foreign = [f"--arch={architecture}", "--foreign"] if architecture else []
    for number in range(1, _TRIES + 1):
        tree = folder / f"tree-{number}"
        argv = ["debootstrap", *foreign, "--variant=minbase", "--include=python3,ca-certificates", _SUITE, str(tree)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            for package in sorted((tree / "var/cache/apt/archives").glob("*.deb")) if foreign else ():
                subprocess.run(["dpkg-deb", "-x", str(package), str(tree)], check=True)
            return tree
        time.sleep(5)
    raise LabError(f"debootstrap failed: {(done.stderr or done.stdout).strip()[-1500:]}")
