"""The cluster as kind runs it, where there are Docker and kind.

Written after kind's documentation; the machines that this repository is tested on have no Docker, so unlike the rest
of this package it has not been run there.
"""

import shutil
import subprocess
import sys
from typing import Final

from lab.cluster import pins
from lab.cluster.place import Place
from lab.errors import ClusterError

_GATEWAYS: Final = "{{range .IPAM.Config}}{{.Gateway}} {{end}}"


def usable() -> bool:
    """Whether kind is installed and Docker answers."""
    if shutil.which("kind") is None or shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def up(place: Place) -> None:
    """Create the cluster, install KEDA and wait for both."""
    place.folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["kind", "delete", "cluster", "--name", place.mark], capture_output=True, check=False)
    place.kind_marker.touch()
    _run("kind", "create", "cluster", "--name", place.mark, "--kubeconfig", str(place.kubeconfig), "--wait", "90s")
    _run(*place.kubectl(), "apply", "--server-side", "--force-conflicts", "-f", pins.KEDA_RELEASE)
    waiting = ("wait", "--for=condition=Available", "deployment", "--all", "--timeout=180s")
    for namespace in ("kube-system", "keda"):
        _run(*place.kubectl(), "-n", namespace, *waiting)
    place.host_ip.write_text(_host_ip() + "\n", encoding="utf-8")


def down(place: Place) -> None:
    """Delete the cluster."""
    _run("kind", "delete", "cluster", "--name", place.mark)
    place.kind_marker.unlink()


def _host_ip() -> str:
    """On Linux the gateway of kind's network is this machine; elsewhere Docker's virtual machine has a name for it."""
    if sys.platform != "linux":
        return "host.docker.internal"
    gateways = _run("docker", "network", "inspect", "kind", "--format", _GATEWAYS).split()
    return next(gateway for gateway in gateways if ":" not in gateway)


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError("kind", f"{' '.join(argv)}: {done.stderr.strip()[-800:]}")
    return done.stdout
