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
from lab.installs.apt import apt_install

OFFICIAL: Final = "docker.io/library/python:3.13-slim"
_SUITE: Final = "bookworm"
_TRIES: Final = 3
_STAND_IN: Final = f"localhost/asya-python:{_SUITE}"
_UNUSED: Final = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale", "var/log")


@dataclass(frozen=True, slots=True)
class Base:
    """A base image and the Python in it."""

    image: str
    python: str
    stand_in: bool


def find_base(builder: Builder) -> Base:
    """The official image when it is here or can be fetched, the stand-in otherwise."""
    stand_in = Base(_STAND_IN, "3.11", True)
    if builder.has(OFFICIAL):
        return Base(OFFICIAL, "3.13", False)
    if builder.has(_STAND_IN):
        return stand_in
    if builder.pull(OFFICIAL):
        return Base(OFFICIAL, "3.13", False)
    print(f"images: {OFFICIAL} cannot be fetched; making a stand-in from Debian {_SUITE}", flush=True)
    if os.geteuid() != 0:
        raise LabError("making a base image with debootstrap needs root: sudo -E make images")
    began = time.monotonic()
    if shutil.which("debootstrap") is None:
        apt_install("debootstrap")
    with tempfile.TemporaryDirectory() as folder:
        tree = _debian(Path(folder))
        for unused in _UNUSED:
            shutil.rmtree(tree / unused, ignore_errors=True)
            (tree / unused).mkdir(parents=True)
        (tree / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        builder.import_tree(tree, _STAND_IN)
    print(f"images: made {_STAND_IN} in {time.monotonic() - began:.0f} s", flush=True)
    return stand_in


def _debian(folder: Path) -> Path:
    """A file system tree below a folder; tried again where a package could not be fetched."""
    for number in range(1, _TRIES + 1):
        tree = folder / f"tree-{number}"
        argv = ["debootstrap", "--variant=minbase", "--include=python3,ca-certificates", _SUITE, str(tree)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return tree
        time.sleep(5)
    raise LabError(f"debootstrap failed: {(done.stderr or done.stdout).strip()[-1500:]}")
