"""Build the parts of the cluster from their Go modules, once per machine and set of pins.

A build happens in a folder beside the final one and is renamed into place when it is complete: a build that was cut off
leaves nothing that looks finished. Cold it takes about a quarter of an hour on two cores; Go's own cache makes the next
set of pins cheaper.
"""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.apt import apt_install
from tools.cluster import pins, recipes
from tools.cluster.errors import ClusterError


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
    done = pins.cache_folder()
    if done.is_dir():
        return done
    if shutil.which("go") is None:
        raise ClusterError("build", f"Go is not installed; get {pins.GO_LANGUAGE} or newer from https://go.dev/dl")
    done.parent.mkdir(parents=True, exist_ok=True)
    print(f"cluster: building its parts into {done}; cold this takes about 15 minutes", flush=True)
    with tempfile.TemporaryDirectory(prefix=f"{done.name}.", dir=done.parent) as temporary:
        half = Path(temporary) / "half"
        (half / "bin").mkdir(parents=True)
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
            work = Path(temporary) / f"step-{number}"
            work.mkdir()
            step(work, half)
            print(f"cluster: built {title} in {time.monotonic() - began:.0f} s", flush=True)
        try:
            half.rename(done)
        except OSError:
            if not done.is_dir():  # Otherwise somebody else built the same in the meantime.
                raise
    return done
