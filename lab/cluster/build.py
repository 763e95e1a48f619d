"""Builds the cluster's parts from their Go modules, once per machine and set of pins.

Cold it takes about a quarter of an hour on two cores; Go's own cache makes the next set of pins cheaper.
``lab/built_once.py`` says how a build that was cut off, or two at once, do no harm.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from lab.built_once import built_once
from lab.cluster import choice, pins, recipes
from lab.errors import ClusterError
from lab.go import LANGUAGE
from lab.installs.apt import apt_install


def install_packages() -> None:
    """Install the Debian packages that are missing."""
    for wanted, package in pins.DEBIAN_PACKAGES.items():
        if shutil.which(wanted) is None:
            print(f"cluster: installing {package}", flush=True)
            try:
                apt_install(package)
            except RuntimeError as exc:
                raise ClusterError("packages", str(exc)) from exc


def build() -> Path:
    """Return the folder with everything built, building it if need be."""
    if choice.cache_folder().is_dir():
        return choice.cache_folder()
    if shutil.which("go") is None:
        raise ClusterError("build", f"Go is not installed; get {LANGUAGE} or newer from https://go.dev/dl")
    done = pins.cache_folder()
    if not done.is_dir():
        print(f"cluster: building its parts into {done}; cold this takes about 15 minutes", flush=True)
    built_once(done, _make)
    if choice.kubernetes() == pins.KUBERNETES:
        return done
    print(f"cluster: building Kubernetes {choice.kubernetes()}; cold this takes about six minutes", flush=True)
    return choice.build_other()


def _make(half: Path, scratch: Path) -> None:
    (half / "bin").mkdir()
    (half / "images").mkdir()
    steps: list[tuple[str, Callable[[Path, Path], None]]] = [
        (f"etcd {pins.ETCD}", recipes.etcd),
        (f"Kubernetes {pins.KUBERNETES}", recipes.kubernetes),
        (f"CoreDNS {pins.COREDNS}", recipes.coredns),
        (f"KEDA {pins.KEDA}", recipes.keda),
        ("images", recipes.images),
    ]
    for number, (title, step) in enumerate(steps):
        began = time.monotonic()
        work = scratch / f"step-{number}"
        work.mkdir()
        step(work, half)
        print(f"cluster: built {title} in {time.monotonic() - began:.0f} s", flush=True)
