"""Which versions the cluster consists of, and the folder that holds them once they are built.

The folder's name is a hash of this file and of those that build from it, so every checkout with the same pins shares
one build, and a changed pin never meets an old binary.
"""

from pathlib import Path
from typing import Final

from lab.built_once import GO, pinned_folder

ETCD: Final = "3.6.6"
KUBERNETES: Final = "1.35.0"
COREDNS: Final = "1.12.4"
KEDA: Final = "2.21.0"

KUBERNETES_PARTS: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")

PAUSE_IMAGE: Final = "localhost/asya-pause:1"
COREDNS_IMAGE: Final = f"localhost/coredns:{COREDNS}"
KEDA_IMAGE: Final = f"ghcr.io/kedacore/keda:{KEDA}"
KEDA_ADAPTER_IMAGE: Final = f"ghcr.io/kedacore/keda-metrics-apiserver:{KEDA}"
"""KEDA's own names, so that its manifests stay as they are; here these names stand for the binaries built here."""

KEDA_RELEASE: Final = f"https://github.com/kedacore/keda/releases/download/v{KEDA}/keda-{KEDA}.yaml"

DEBIAN_PACKAGES: Final = {
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
    "ip": "iproute2",
    "iptables": "iptables",
    "nsenter": "util-linux",
    "openssl": "openssl",
}
"""A command or file, and the package that brings it."""


def cache_folder() -> Path:
    """The folder of this build: ``bin``, ``images`` and ``keda.yaml``."""
    here = Path(__file__).parent
    return pinned_folder("cluster", (GO, *(here / name for name in ("pins.py", "recipes.py", "archive.py"))))
